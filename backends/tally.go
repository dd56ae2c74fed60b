package backends

import (
	"maps"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Tally counts what lies in a directory and below. It lists a directory once, and again when it changed:
// each name that comes or goes, whoever does it, sets the directory's time of modification (inode(7)). So a
// count costs one stat(2) for each directory, however many objects there are, and nothing has to tell it of
// changes. The zero Tally is ready. It is safe for concurrent use.
type Tally struct {
	looks Looks
	one   sync.Mutex // held by a count

	mu    sync.Mutex
	kept  map[ID]tallied // of the last count; nobody changes it
	found map[ID]tallied // by looks since then, that of nobody who waited among them
}

// tallied is what was in a directory when it was last modified.
type tallied struct {
	modified time.Time
	size     int64 // of the directory itself
	objects  int
	dirs     []string
}

// tallyTick is more than the steps in which a kernel counts the times of files (a tick, 10 ms at most).
// What was modified so short a time before it was listed may be modified once more without getting another
// time, and is listed again the next time (TestTally).
const tallyTick = 50 * time.Millisecond

// Count is how many objects lie below d whose types are served; directories are none. What lies in each
// directory in d, and below, is looked at for a short while: ErrIncomplete says that one was left out as that
// took longer, and comes with the number of the others. Of d itself that is what was there when it was last
// listed.
func (t *Tally) Count(d *Dir, served func(typ uint32) bool) (int, error) {
	t.one.Lock()
	defer t.one.Unlock()
	c := count{d, served, t.known(), map[ID]tallied{}}
	top, leftOut := t.top(c)
	if leftOut != nil && leftOut != ErrIncomplete {
		return 0, leftOut
	}
	sum := top.objects
	for _, name := range top.dirs {
		a, err := d.Find(Name{Base: name})
		if err != nil {
			continue // it is gone meanwhile
		}
		if now, ok := c.same(a); ok && len(now.dirs) == 0 {
			sum += now.objects // there is nothing to look into
			continue
		}
		n, err := t.below(c, name, a)
		switch {
		case err == ErrIncomplete:
			leftOut = err
		case err != nil:
			return 0, err
		}
		sum += n
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.Copy(c.keep, t.found)
	t.kept, t.found = c.keep, nil
	return sum, leftOut
}

// top is what is in the directory itself, or was when it was last listed, and then ErrIncomplete.
func (t *Tally) top(c count) (tallied, error) {
	a, err := c.dir.Stat(Ref{})
	if err != nil {
		return tallied{}, err
	}
	if now, ok := c.same(a); ok {
		return now, nil
	}
	part := c
	part.keep = map[ID]tallied{}
	var now tallied
	if !t.looks.OfClass(a, func() { now, err = part.look("") }) {
		c.keep[a.ID] = c.was[a.ID]
		return c.was[a.ID], ErrIncomplete
	}
	maps.Copy(c.keep, part.keep)
	return now, err
}

// known is what is known of directories.
func (t *Tally) known() map[ID]tallied {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.found) > 0 {
		all := map[ID]tallied{}
		maps.Copy(all, t.kept)
		maps.Copy(all, t.found)
		t.kept, t.found = all, nil
	}
	return t.kept
}

// below counts what lies in and below a directory of these attributes: ErrIncomplete if that takes too long.
func (t *Tally) below(c count, name string, a Attr) (int, error) {
	var answer struct {
		n   int
		err error
	}
	c.keep = map[ID]tallied{}
	if !t.looks.Into(a, func() {
		answer.n, answer.err = c.below(name)
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.found == nil {
			t.found = map[ID]tallied{}
		}
		maps.Copy(t.found, c.keep)
	}) {
		return 0, ErrIncomplete
	}
	return answer.n, answer.err
}

// count is one count of what lies in a directory, or of a part of it.
type count struct {
	dir    *Dir
	served func(typ uint32) bool
	was    map[ID]tallied // what is known; nobody changes it
	keep   map[ID]tallied // what is to be known from now on
}

// below counts what lies in and below the directory at a path.
func (c count) below(path string) (int, error) {
	sum := 0
	for left := []string{path}; len(left) > 0; {
		at := left[len(left)-1]
		left = left[:len(left)-1]
		now, err := c.look(at)
		switch err {
		case nil:
		case unix.ENOENT, unix.ESTALE, unix.ENOTDIR, unix.ENAMETOOLONG:
			continue // it is gone meanwhile, or no path leads there
		default:
			return 0, err
		}
		sum += now.objects
		for _, name := range now.dirs {
			left = append(left, Name{Dir: Ref{Path: at}, Base: name}.Path())
		}
	}
	return sum, nil
}

// same is what is in a directory of these attributes, if it did not change since it was listed.
func (c count) same(a Attr) (tallied, bool) {
	now, ok := c.was[a.ID]
	ok = ok && now.modified.Equal(a.Mtime) && now.size == a.Size
	if ok {
		c.keep[a.ID] = now
	}
	return now, ok
}

// look is what is in one directory.
func (c count) look(at string) (tallied, error) {
	began := time.Now()
	a, err := c.dir.Stat(Ref{Path: at})
	if err != nil {
		return tallied{}, err
	}
	if now, ok := c.same(a); ok {
		return now, nil
	}
	list, err := c.dir.List(Ref{Path: at, Was: a})
	if err != nil {
		return tallied{}, err
	}
	now := tallied{modified: a.Mtime, size: a.Size}
	for _, e := range list {
		switch {
		case e.Type == unix.S_IFDIR:
			now.dirs = append(now.dirs, e.Name)
		case c.served(e.Type):
			now.objects++
		}
	}
	if began.Sub(a.Mtime) > tallyTick {
		c.keep[a.ID] = now
	}
	return now, nil
}
