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

// Failures keep the last failure of each object, for its err file, and of all. They are bounded: the first to
// go is the oldest of the user who has most of them, so that nobody pushes out what others want to read.
type Failures struct {
	// how settings are asked for, by their names; not changed any more once there are failures
	Flags map[string]string
	// the classes that failures are counted by, likewise
	Classes []string

	mu     sync.Mutex
	last   map[string]failure // by path
	n      uint64
	counts map[Refused]int64
}

// Refused says which failures are counted together: those of a class, "" for what is in none, with an errno.
type Refused struct {
	Class string
	Errno syscall.Errno
}

type failure struct {
	line string
	n    uint64  // the higher the newer
	by   *uint32 // the user who did it; nil: that is not known
	err  *Error
}

const maxFailures = 1024

// newFailures makes an empty set.
func newFailures() *Failures {
	return &Failures{last: map[string]failure{}, counts: map[Refused]int64{}}
}

// Add remembers err as the last failure of the object at path (from the root of the tree).
func (f *Failures) Add(path string, err error) { f.add(path, err, nil) }

// AddBy is Add of what a user did. That user may know of it wherever it was.
func (f *Failures) AddBy(path string, err error, uid uint32) { f.add(path, err, &uid) }

// add is AddBy if it is known who did it. The same error counts once.
func (f *Failures) add(path string, err error, by *uint32) {
	known, _ := err.(*Error)
	text := spoken(err, f.Flags)
	if known != nil {
		text = known.Say(f.Flags)
	}
	line := time.Now().Format(time.RFC3339) + " " + backends.Line(text) + "\n"
	f.mu.Lock()
	defer f.mu.Unlock()
	was, there := f.last[path]
	if known != nil && was.err == known {
		return
	}
	at := path
	if there && by != nil && was.user() != int64(*by) && Errno(err) == syscall.ENOENT {
		at += "/" // who looks for a name that is none does not take away what another one is to read
	}
	f.n++
	f.last[at] = failure{line, f.n, by, known}
	f.counts[Refused{f.class(path), Errno(err)}]++
	if len(f.last) > maxFailures {
		f.dropOne()
	}
}

// class is the class that a path is in.
func (f *Failures) class(path string) string {
	for _, class := range f.Classes {
		if path == class || strings.HasPrefix(path, class+"/") {
			return class
		}
	}
	return ""
}

// Counts are how many failures there were.
func (f *Failures) Counts() map[Refused]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.counts)
}

// Newest are the last failures, the newest first, at most so many, of those objects that may says.
func (f *Failures) Newest(most int, may func(path string) bool) (lines []string) {
	last, paths := f.byAge()
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

// byAge are the failures, and their paths, the newest first.
func (f *Failures) byAge() (map[string]failure, []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.last), slices.SortedFunc(maps.Keys(f.last), func(a, b string) int {
		return cmp.Compare(f.last[b].n, f.last[a].n)
	})
}

// dropOne forgets the oldest of the user who has most. The caller holds f.mu.
func (f *Failures) dropOne() {
	oldest, have, most := map[int64]string{}, map[int64]int{}, int64(-1) // by user
	for p, one := range f.last {
		uid := one.user()
		if was, ok := oldest[uid]; !ok || one.n < f.last[was].n {
			oldest[uid] = p
		}
		if have[uid]++; have[uid] > have[most] {
			most = uid
		}
	}
	delete(f.last, oldest[most])
}

// user is who did it, -1 if that is not known.
func (one failure) user() int64 {
	if one.by == nil {
		return -1
	}
	return int64(*one.by)
}

// newest is the last failure of what a user may know of.
func (f *Failures) newest(uid uint32, may func(path string) bool) string {
	last, paths := f.byAge()
	for _, p := range paths {
		if one := last[p]; one.by != nil && *one.by == uid || may(p) {
			return one.line
		}
	}
	return ""
}

func (f *Failures) control(path string) Control {
	return TextControl("err", func() (string, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.last[path].line, nil
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
