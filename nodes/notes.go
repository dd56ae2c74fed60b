package nodes

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
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
	// the classes that failures are counted by, likewise
	Classes []string

	mu     sync.Mutex
	last   map[string]note // by path
	n      uint64
	counts map[Refused]int64
}

// Refused says which failures are counted together: those of a class, "" for what is in none, with an errno.
type Refused struct {
	Class string
	Errno syscall.Errno
}

type note struct {
	line string
	n    uint64  // the higher the newer
	by   *uint32 // the user who did it; nil: that is not known
	err  *Error
}

const maxNotes = 1024

// NewNotes makes an empty set.
func NewNotes() *Notes { return &Notes{last: map[string]note{}, counts: map[Refused]int64{}} }

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
	n.counts[Refused{n.class(path), Errno(err)}]++
	if len(n.last) > maxNotes {
		n.dropOne()
	}
}

// class is the class that a path is in.
func (n *Notes) class(path string) string {
	for _, class := range n.Classes {
		if path == class || strings.HasPrefix(path, class+"/") {
			return class
		}
	}
	return ""
}

// Counts are how many failures there were.
func (n *Notes) Counts() map[Refused]int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.counts)
}

// Newest are the last failures, the newest first, at most so many, of those objects that may says.
func (n *Notes) Newest(most int, may func(path string) bool) (lines []string) {
	last, paths := n.byAge()
	for _, p := range paths {
		if len(lines) == most {
			break
		}
		if may(p) {
			lines = append(lines, strings.TrimSuffix(last[p].line, "\n"))
		}
	}
	return lines
}

// byAge are the notes, and their paths, the newest first.
func (n *Notes) byAge() (map[string]note, []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.last), slices.SortedFunc(maps.Keys(n.last), func(a, b string) int {
		return cmp.Compare(n.last[b].n, n.last[a].n)
	})
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
	last, paths := n.byAge()
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
