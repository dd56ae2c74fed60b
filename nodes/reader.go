package nodes

import "strings"

// errControl is /ctl/err: the last failure of what its reader may know of.
func (c *Ctl) errControl() Control {
	return readerControl("err", func(by Caller) (string, error) {
		return c.env.Failures.newest(by.Uid, c.mayKnow(by)), nil
	})
}

// mayKnow tells whether a process may search the directories that lead to the object at a path from the root
// of the tree.
func (c *Ctl) mayKnow(by Caller) func(path string) bool {
	may := by.maySearch()
	return func(path string) bool {
		if by.Uid == 0 || path == "" {
			return true
		}
		for _, k := range c.kinds {
			if below, ok := strings.CutPrefix(path, k.Name+"/"); ok {
				return leads(k, below, may)
			}
			if path == k.Name {
				return true
			}
		}
		return false
	}
}

// leads reports whether all directories that lead to an object of a kind are there and may be searched.
func leads(k Kind, path string, may func(way ...Attr) bool) bool {
	dir := k.Class.At(Seen{})
	parts := strings.Split(path, "/")
	for _, part := range parts[:len(parts)-1] {
		d, ok := dir.(Directory)
		if !ok {
			return false
		}
		s, err := d.Find(part)
		if err != nil || !may(s.Was) {
			return false
		}
		dir = k.Class.At(s)
	}
	return true
}

// readerControl is a control file whose text depends on who opened it: one text for all who are the same user
// in the same groups.
func readerControl(name string, text func(by Caller) (string, error)) Control {
	return Control{Name: name, Perm: 0444, For: func(by Caller) func() (string, error) {
		return func() (string, error) { return text(by) }
	}}
}
