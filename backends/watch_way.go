package backends

import (
	"strings"

	"golang.org/x/sys/unix"
)

// placed is a path that an event tells of, with what decides who may know of it: the directories that lead
// there from the class's own.
type placed struct {
	path  string
	way   []Attr
	known bool // else the way is not known any more
}

func (d watched) placed(below string) placed {
	return placed{d.root + "/" + below, d.way, d.way != nil || d.path == ""}
}

// seen are the attributes of the directories from below the class's own to the watched one, as they are now;
// nil if one of them is gone.
func (d watched) seen() []Attr {
	if d.path == "" {
		return nil
	}
	var way []Attr
	at := d.dir.fd
	defer func() {
		if at != d.dir.fd {
			unix.Close(at)
		}
	}()
	for name := range strings.SplitSeq(d.path, "/") {
		below, err := OpenBeneath(at, name, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return nil
		}
		if at != d.dir.fd {
			unix.Close(at)
		}
		at = below
		a, err := d.dir.fstat(at)
		if err != nil {
			return nil
		}
		way = append(way, a)
	}
	return way
}

// look is a directory with its way as it is now: as it was when somebody looked in this round, unless an
// event since then tells that a directory changed. If it is gone, or the path leads to others by now, the way
// stays as it was: events come when what they tell of is over.
func (w *Watch) look(wd int32, d watched) watched {
	if known, ok := w.looked[wd]; ok {
		return known
	}
	d = w.lookNow(wd, d)
	w.looked[wd] = d
	return d
}

func (w *Watch) lookNow(wd int32, d watched) watched {
	now := d.seen()
	if d.way == nil || len(now) != len(d.way) {
		return d
	}
	for i := range now {
		if now[i].ID != d.way[i].ID {
			return d
		}
	}
	d.way = now
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dirs[wd] = d
	return d
}

// changed is told that the mode or the owner of a directory changed. If it is gone by now, nobody knows what
// they were then, for it and all that was below it.
func (w *Watch) changed(wd int32, d watched) {
	clear(w.looked)
	if d.path == "" {
		return
	}
	if now := d.seen(); now != nil {
		last := len(d.way) - 1
		if d.way != nil && now[last].ID == d.way[last].ID {
			w.look(wd, d)
			return
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for wd, one := range w.dirs {
		if one.root == d.root && (one.path == d.path || strings.HasPrefix(one.path, d.path+"/")) {
			one.way = nil
			w.dirs[wd] = one
		}
	}
}

// tell gives an event to all who may know of it.
func (w *Watch) tell(verb EventKind, names ...placed) {
	w.mu.Lock()
	subs := make([]*Events, 0, len(w.subs))
	for e := range w.subs {
		subs = append(subs, e)
	}
	w.mu.Unlock()
	for _, e := range subs {
		if line := e.line(verb, names); line != "" {
			e.add(line)
		}
	}
}

// line is what a reader is told: a verb and names, each a word, so that no name can be taken for another line
// or two names. A reader who may know of only one end of a rename is told that something was created or
// removed there. Empty: nothing is told.
func (e *Events) line(verb EventKind, names []placed) string {
	knows := func(n placed) bool { return e.may == nil || e.all || n.known && e.may(n.way) }
	switch {
	case len(names) == 0:
	case !knows(names[0]) && !knows(names[len(names)-1]):
		return ""
	case !knows(names[0]):
		verb, names = EventCreate, names[1:]
	case !knows(names[len(names)-1]):
		verb, names = EventRemove, names[:1]
	}
	line := []byte(verb)
	for _, n := range names {
		line = AppendWord(append(line, ' '), n.path)
	}
	return string(append(line, '\n'))
}

// Tell tells of an object that no directory here has, in a place that all may look into.
func (w *Watch) Tell(verb EventKind, path string) { w.tell(verb, placed{path: path, known: true}) }
