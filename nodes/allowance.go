package nodes

import (
	"sync"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// An allowance bounds the memory that the open files of one user hold between two calls: messages that were
// read in part, lines that are not finished, events that nobody has read yet. A message in memory that its
// object owns is counted once, however many of the user's files hold it. A nil allowance has no bound.
type allowance struct {
	budget *backends.Budget
	uid    uint32

	mu   sync.Mutex
	lent map[*byte]int // how many files hold a message that lies there
}

// maxHeld is what a user may hold, in bytes. Some of it can be done without: messages that were read to
// their end, which a seek could read again. They stay below half of it, so that they are in nobody's way.
const maxHeld = 64 << 20

// newMemory makes the budget of what open files hold.
func newMemory() *backends.Budget {
	return backends.NewBudget(backends.Terms{Name: "memory", Err: syscall.ENOBUFS},
		func(int64) backends.Bounds { return backends.EachMay(maxHeld) })
}

// full reports whether nothing more may be held.
func (a *allowance) full() bool { return a != nil && !a.budget.Fits(a.uid, 1) }

// scarce reports whether only what is needed may be held.
func (a *allowance) scarce() bool { return a != nil && !a.budget.Fits(a.uid, maxHeld/2+1) }

// add counts memory of one file's own; n may be negative.
func (a *allowance) add(n int) {
	if a != nil && n != 0 {
		a.budget.Add(a.uid, int64(n))
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
		a.budget.Add(a.uid, int64(cap(p)))
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
		a.budget.Give(a.uid, int64(cap(p)))
	}
}
