package fs

import (
	"errors"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/nodes"
)

// What makes, removes or moves a name is begun by one process and, if that ends, done once more by the next one. If
// the kernel says then that it is done already, it was: by the process that has ended.

// redo is what is done once more just now, at the start, when nothing else is.
type redo struct {
	since   time.Time // when it was begun; zero: nothing is
	claimed map[claim]bool
}

// claim is an outcome that one request only may have for its own.
type claim struct {
	act string
	at  spot
}

// Redo has f do what an earlier process had begun with then.
func (t *Tree) Redo(since time.Time, f func()) {
	t.redo.since = since
	f()
	t.redo.since = time.Time{}
}

// Redoes is since when what is done now has been under way.
func (t *Tree) Redoes() time.Time {
	if t.redo.since.IsZero() {
		return time.Now()
	}
	return t.redo.since
}

// did reports whether err says that an earlier process has done the act, which is this one's: it is that of no other
// request.
func (t *Tree) did(act string, parent Node, name string, err error, says syscall.Errno) bool {
	c := claim{act, spot{parent.ID, name}}
	if t.redo.since.IsZero() || !errors.Is(err, says) || t.redo.claimed[c] {
		return false
	}
	if t.redo.claimed == nil {
		t.redo.claimed = map[claim]bool{}
	}
	t.redo.claimed[c] = true
	return true
}

// didMake is did of an act that makes an object, which it gives: one of the same owner that is as old.
func (t *Tree) didMake(parent Node, object nodes.Object, name string, uid uint32, err error) (nodes.Seen, bool) {
	if t.redo.since.IsZero() || !errors.Is(err, syscall.EEXIST) {
		return nodes.Seen{}, false
	}
	dir, ok := object.(nodes.Directory)
	if !ok {
		return nodes.Seen{}, false
	}
	seen, e := dir.Find(name)
	born, since := seen.Was.BornAt(), t.redo.since.Add(-clockTick)
	if born.IsZero() {
		born, since = seen.Was.Ctime, since.Truncate(time.Second) // of a queue, in whole seconds
	}
	if e != nil || seen.Was.Uid != uid || born.Before(since) {
		return nodes.Seen{}, false
	}
	return seen, t.did("make", parent, name, err, syscall.EEXIST)
}

// later reports whether an object was made after what is done now was begun.
func (t *Tree) later(s nodes.Seen) bool {
	return !t.redo.since.IsZero() && s.Was.BornAt().After(t.redo.since.Add(clockTick))
}

// clockTick is by how much the time that a file system gives is behind (ktime_get_coarse_real_ts64).
const clockTick = 10 * time.Millisecond
