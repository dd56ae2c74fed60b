package backends

// Places are where the objects of a directory and of those below it are by now, by what they are: an earlier
// process may have ended just as one was moved. It is not safe for concurrent use.
type Places struct {
	at map[ID]string
	of map[uint32]int // by owner
}

// maxPlaces is how many objects of one owner are noted. One user cannot have more names (Room), and root's
// must not keep those of others from being found.
const maxPlaces = 1 << 16

// Add notes where an object is, and reports whether it does: it was not met before, and is not one too many.
func (p *Places) Add(a Attr, path string) bool {
	if p.at[a.ID] != "" || p.of[a.Uid] == maxPlaces {
		return false
	}
	if p.at == nil {
		p.at, p.of = map[ID]string{}, map[uint32]int{}
	}
	p.at[a.ID] = path
	p.of[a.Uid]++
	return true
}

// Of is where an object is; "": nowhere that is known.
func (p *Places) Of(id ID) string { return p.at[id] }
