package nodes

import (
	"sync"
	"sync/atomic"
)

// An allowance bounds the memory that the open files of one user hold for him between his calls: messages he has read a part of, lines he
// has not finished. A message in memory of its object's own is counted once, however many of his files hold it. nil has no bound.
type allowance struct {
	used atomic.Int64 // bytes

	mu   sync.Mutex
	lent map[*byte]int // how many files hold a message that lies there
}

// maxHeld is what a user may hold. What he could do without (messages read to their end, which a seek could read again) stays below
// half of it, so that it is in nobody's way.
const maxHeld = 64 << 20

// full reports whether nothing more may be held.
func (a *allowance) full() bool { return a != nil && a.used.Load() >= maxHeld }

// scarce reports whether only what is needed may be held.
func (a *allowance) scarce() bool { return a != nil && a.used.Load() >= maxHeld/2 }

// add counts memory of one file's own; n may be negative.
func (a *allowance) add(n int) {
	if a != nil && n != 0 {
		a.used.Add(int64(n))
	}
}

// lend counts memory that others may hold too, until it is given back.
func (a *allowance) lend(p []byte) {
	if a == nil || len(p) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lent[&p[0]]++; a.lent[&p[0]] == 1 {
		a.used.Add(int64(cap(p)))
	}
}

func (a *allowance) giveBack(p []byte) {
	if a == nil || len(p) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lent[&p[0]]--; a.lent[&p[0]] == 0 {
		delete(a.lent, &p[0])
		a.used.Add(-int64(cap(p)))
	}
}
