package nodes

import (
	"sync"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// An allowance bounds the memory that the open files of one user hold between two calls: messages that were
// read in part, lines that are not finished, events that nobody has read yet, texts. A message in memory that
// its object owns, and a text, is counted once, however many of the user's files hold it. A nil allowance has
// no bound.
type allowance struct {
	budget *backends.Budget
	uid    uint32

	mu   sync.Mutex
	lent map[*byte]*lentHand      // by where the message lies
	left map[uint64]backends.Left // what an earlier process had lent, of all users, by number
}

// lentHand is a message that several of a user's files may have in hand. In a ledger it is once, too.
type lentHand struct {
	data   []byte
	files  int             // that hold it
	named  int             // whose records in the ledger name it
	number uint64          // by which they do; 0: it is in no ledger
	record backends.Record // there
}

// maxHeld is what a user may hold, in bytes. Some of it can be done without: messages that were read to
// their end, which a seek could read again. They stay below half of it, so that they are in nobody's way.
const maxHeld = 64 << 20

// newHeap makes the budget of what open files hold.
func newHeap() *backends.Budget {
	return backends.NewBudget(backends.Terms{Name: "memory", Err: syscall.ENOBUFS, Heap: true},
		func(int64) backends.Bounds { return backends.EachMay(maxHeld) })
}

// full reports whether nothing more may be held.
func (a *allowance) full() bool { return a.lacks(1) }

// scarce reports whether only what is needed may be held.
func (a *allowance) scarce() bool { return a.lacks(maxHeld/2 + 1) }

// lacks reports whether the user may not hold n more. As long as all users together hold no more than one
// may, it need not look for the user: it is asked for each message.
func (a *allowance) lacks(n int64) bool {
	return a != nil && a.budget.Held() > maxHeld-n && !a.budget.Fits(a.uid, n)
}

// add counts memory of one file's own; n may be negative.
func (a *allowance) add(n int) {
	if a != nil && n != 0 {
		a.budget.Add(a.uid, int64(n))
	}
}

// mayLend reports whether the user may hold one more message, or holds it already.
func (a *allowance) mayLend(p []byte) bool {
	if a == nil || len(p) == 0 || !a.lacks(int64(cap(p))) {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lent[&p[0]] != nil
}

// lend counts memory that others may hold too, until it is given back.
func (a *allowance) lend(p []byte) {
	if a == nil || len(p) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.lent[&p[0]]
	if h == nil {
		h = &lentHand{data: p}
		a.lent[&p[0]] = h
		a.budget.Add(a.uid, int64(cap(p)))
	}
	h.files++
}

func (a *allowance) giveBack(p []byte) {
	if a == nil || len(p) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.lent[&p[0]]
	if h.files--; h.files == 0 {
		delete(a.lent, &p[0])
		a.budget.Give(a.uid, int64(cap(p)))
	}
}

// sharedHand is how long a message is at least that is in the ledger for itself, in bytes.
const sharedHand = 4096

// name has the ledger have a message that is lent, for one more record that names it; nil: the record is to
// hold the message itself.
func (a *allowance) name(p []byte, l *backends.Ledger) *lentHand {
	if a == nil || len(p) < sharedHand {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.lent[&p[0]]
	if h == nil || len(h.data) != len(p) {
		return nil
	}
	if h.number == 0 {
		h.number = l.Number()
		l.Put(&h.record, backends.HandRecord, h.number, p)
	}
	h.named++
	return h
}

// unname says that one record less names it.
func (a *allowance) unname(h *lentHand, l *backends.Ledger) {
	if h == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if h.named--; h.named == 0 {
		l.Drop(&h.record)
		h.number = 0
	}
}

// again lends a message that an earlier process had lent, by its number; nil: there is none.
func (a *allowance) again(number uint64) *lentHand {
	if a == nil || number == 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, h := range a.lent {
		if h.number == number {
			h.files, h.named = h.files+1, h.named+1
			return h
		}
	}
	one, ok := a.left[number]
	if !ok || len(one.Data) == 0 {
		return nil
	}
	h := &lentHand{data: one.Data, files: 1, named: 1, number: number, record: one.Record}
	delete(a.left, number)
	a.lent[&h.data[0]] = h
	a.budget.Add(a.uid, int64(cap(h.data)))
	return h
}
