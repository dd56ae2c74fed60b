package backends

import (
	"errors"
	"sync"
	"time"
)

// Looks bound how long anybody waits for looks into the directories of users, who can hold the locks that
// the kernel has there (see Workers.PassOn). The zero Looks are ready. They are safe for concurrent use.
type Looks struct {
	mu   sync.Mutex
	late map[ID]int     // looks that nobody waits for any more, by directory,
	of   map[uint32]int // and by its owner
}

// ErrIncomplete says that a directory was left out, as looking into it takes too long.
var ErrIncomplete = errors.New("a directory was left out")

const (
	lookPatience  = 100 * time.Millisecond
	classPatience = time.Second
	maxLateLooks  = 4 // into the directories of one user
)

// Into calls look, which looks into a directory of these attributes and below, and waits for it, but for
// 100 ms at most. It is false if look goes on: what it writes is not to be read then. While one goes on
// there, or too many in other directories of the same owner, look is not called, and it is false too.
func (l *Looks) Into(a Attr, look func()) bool { return l.within(lookPatience, a, look) }

// OfClass is Into for a look at the directory of a class, where much may lie: it waits for a second.
func (l *Looks) OfClass(a Attr, look func()) bool { return l.within(classPatience, a, look) }

func (l *Looks) within(most time.Duration, a Attr, look func()) bool {
	l.mu.Lock()
	refused := l.late[a.ID] > 0 || l.of[a.Uid] >= maxLateLooks
	l.mu.Unlock()
	if refused {
		return false
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		look()
	}()
	patience := time.NewTimer(most)
	defer patience.Stop()
	select {
	case <-done:
		return true
	case <-patience.C:
	}
	l.add(a, 1)
	go func() {
		<-done
		l.add(a, -1)
	}()
	return false
}

// add counts n more late looks into a directory, or less if n is negative.
func (l *Looks) add(a Attr, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.late == nil {
		l.late, l.of = map[ID]int{}, map[uint32]int{}
	}
	if l.late[a.ID] += n; l.late[a.ID] == 0 {
		delete(l.late, a.ID)
	}
	if l.of[a.Uid] += n; l.of[a.Uid] == 0 {
		delete(l.of, a.Uid)
	}
}
