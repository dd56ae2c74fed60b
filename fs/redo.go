package fs

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/nodes"
)

// What makes, removes or moves a name is begun by one process and, if that ends, done once more by the next one. If
// the kernel says then that it is done already, it was: by the process that has ended.

// redo is what is done once more just now, at the start, when nothing else is but what workers ask elsewhere.
type redo struct {
	since atomic.Int64 // when it was begun, in nanoseconds since 1970; 0: nothing is

	mu      sync.Mutex
	claimed map[claim]bool
}

// begun is when what is done once more just now was begun; false: nothing is.
func (r *redo) begun() (time.Time, bool) {
	since := r.since.Load()
	return time.Unix(0, since), since != 0
}

// claim is an outcome that one request only may have for its own.
type claim struct {
	act string
	at  spot
}

// Redo has f do what an earlier process had begun with then.
func (t *Tree) Redo(since time.Time, f func()) {
	if !since.IsZero() {
		t.redo.since.Store(since.UnixNano())
	}
	f()
	t.redo.since.Store(0)
}

// Redoes is since when what is done now has been under way.
func (t *Tree) Redoes() time.Time {
	if since, ok := t.redo.begun(); ok {
		return since
	}
	return time.Now()
}

// did reports whether err says that an earlier process has done the act, which is this one's: it is that of no other
// request.
func (t *Tree) did(act string, parent Node, name string, err error, says syscall.Errno) bool {
	c := claim{act, spot{parent.ID, name}}
	if _, ok := t.redo.begun(); !ok || !errors.Is(err, says) {
		return false
	}
	t.redo.mu.Lock()
	defer t.redo.mu.Unlock()
	if t.redo.claimed[c] {
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
	since, redone := t.redo.begun()
	if !redone || !errors.Is(err, syscall.EEXIST) {
		return nodes.Seen{}, false
	}
	dir, ok := object.(nodes.Directory)
	if !ok {
		return nodes.Seen{}, false
	}
	seen, e := dir.Find(name)
	born, since := bornAt(seen), since.Add(-clockTick)
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
	since, redone := t.redo.begun()
	return redone && bornAt(s).After(since.Add(clockTick))
}

// bornAt is when an object was made, zero if that is not known: those of System V have no such time.
func bornAt(s nodes.Seen) time.Time {
	if s.Was.Dev == 0 {
		return time.Time{}
	}
	return s.Was.BornAt()
}

// clockTick is by how much the time that a file system gives is behind (ktime_get_coarse_real_ts64).
const clockTick = 10 * time.Millisecond
