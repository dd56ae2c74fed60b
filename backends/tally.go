package backends

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Tally counts what lies in a directory and below. It lists a directory once, and again when it changed:
// each name that comes or goes, whoever does it, sets the directory's time of modification (inode(7)). So a
// count costs one stat(2) for each directory, however many objects there are, and nothing has to tell it of
// changes. The zero Tally is ready. It is safe for concurrent use.
type Tally struct {
	mu   sync.Mutex
	kept map[ID]tallied
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

// Count is how many objects lie below d whose types are served; directories are none. It blocks as
// getdents(2) does.
func (t *Tally) Count(d *Dir, served func(typ uint32) bool) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := make(map[ID]tallied, len(t.kept))
	sum := 0
	for left := []string{""}; len(left) > 0; {
		at := left[len(left)-1]
		left = left[:len(left)-1]
		now, err := t.look(d, at, served, kept)
		switch {
		case err == nil:
		case at != "" &&
			(err == unix.ENOENT || err == unix.ESTALE || err == unix.ENOTDIR || err == unix.ENAMETOOLONG):
			continue // it is gone meanwhile, or no path leads there
		default:
			return 0, err
		}
		sum += now.objects
		for _, name := range now.dirs {
			left = append(left, Name{Dir: Ref{Path: at}, Base: name}.Path())
		}
	}
	t.kept = kept
	return sum, nil
}

// look is what is in one directory. The caller holds t.mu.
func (t *Tally) look(d *Dir, at string, served func(uint32) bool, keep map[ID]tallied) (tallied, error) {
	began := time.Now()
	a, err := d.Stat(Ref{Path: at})
	if err != nil {
		return tallied{}, err
	}
	now, ok := t.kept[a.ID]
	if ok && now.modified.Equal(a.Mtime) && now.size == a.Size {
		keep[a.ID] = now
		return now, nil
	}
	list, err := d.List(Ref{Path: at, Was: a})
	if err != nil {
		return tallied{}, err
	}
	now = tallied{modified: a.Mtime, size: a.Size}
	for _, e := range list {
		switch {
		case e.Type == unix.S_IFDIR:
			now.dirs = append(now.dirs, e.Name)
		case served(e.Type):
			now.objects++
		}
	}
	if began.Sub(a.Mtime) > tallyTick {
		keep[a.ID] = now
	}
	return now, nil
}
