package nodes

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// Notes keep the last failure of each object, for its err file, and of all. They are bounded: the first to
// go is the oldest note of the user who has most of them, so that nobody pushes out what others want to read.
type Notes struct {
	// how settings are asked for, by their names; not changed any more when there are notes
	Flags map[string]string

	mu   sync.Mutex
	last map[string]note // by path
	n    uint64
}

type note struct {
	line string
	n    uint64  // the higher the newer
	by   *uint32 // the user who did it; nil: that is not known
	err  *Error
}

const maxNotes = 1024

// NewNotes makes an empty set.
func NewNotes() *Notes { return &Notes{last: map[string]note{}} }

// Note remembers err as the last failure of the object at path (from the root of the tree).
func (n *Notes) Note(path string, err error) { n.note(path, err, nil) }

// NoteBy is Note of what a user did. That user may know of it wherever it was.
func (n *Notes) NoteBy(path string, err error, uid uint32) { n.note(path, err, &uid) }

// note is NoteBy if it is known who did it. The same error is noted once.
func (n *Notes) note(path string, err error, by *uint32) {
	known, _ := err.(*Error)
	text := spoken(err, n.Flags)
	if known != nil {
		text = known.Say(n.Flags)
	}
	line := time.Now().Format(time.RFC3339) + " " + backends.Line(text) + "\n"
	n.mu.Lock()
	defer n.mu.Unlock()
	if known != nil && n.last[path].err == known {
		return
	}
	n.n++
	n.last[path] = note{line, n.n, by, known}
	if len(n.last) > maxNotes {
		n.dropOne()
	}
}

// dropOne forgets the oldest of the user who has most. The caller holds n.mu.
func (n *Notes) dropOne() {
	oldest, have, most := map[int64]string{}, map[int64]int{}, int64(-1) // by user
	for p, one := range n.last {
		uid := one.user()
		if was, ok := oldest[uid]; !ok || one.n < n.last[was].n {
			oldest[uid] = p
		}
		if have[uid]++; have[uid] > have[most] {
			most = uid
		}
	}
	delete(n.last, oldest[most])
}

// user is who did it, -1 if that is not known.
func (n note) user() int64 {
	if n.by == nil {
		return -1
	}
	return int64(*n.by)
}

// newest is the last failure of what a user may know of.
func (n *Notes) newest(uid uint32, may func(path string) bool) string {
	n.mu.Lock()
	paths := slices.SortedFunc(maps.Keys(n.last), func(a, b string) int {
		return cmp.Compare(n.last[b].n, n.last[a].n)
	})
	last := maps.Clone(n.last)
	n.mu.Unlock()
	for _, p := range paths {
		if one := last[p]; one.by != nil && *one.by == uid || may(p) {
			return one.line
		}
	}
	return ""
}

func (n *Notes) control(path string) Control {
	return TextControl("err", func() (string, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.last[path].line, nil
	})
}

// advise makes an Error of a failure that its errno alone does not explain.
func advise(op string, errno syscall.Errno, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	return &Error{Op: op, Errno: errno, Why: err}
}

// refuse is advise for what is known of an errno.
func refuse(op string, r backends.Refusal) error { return advise(op, Errno(r.Err), &r) }
