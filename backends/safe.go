package backends

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A Safe is where descriptors outlive this process, for another one that goes on from the ledger: those that
// cannot be opened again. Each has a number (Ledger.NextKept). It is safe for concurrent use.
type Safe interface {
	// Keep has a descriptor kept, which stays the caller's too. When it returns another process would get it.
	Keep(number uint64, fd int)
	// Drop ends that, before the caller closes the descriptor. It waits until it is closed there if now says
	// so.
	Drop(number uint64, now bool)
	// DropSoon is Drop of what somebody hears the end of, as the peer of a connection: it does not wait, and is
	// not kept waiting with others either.
	DropSoon(number uint64)
	// Left are the descriptors that an earlier process has left, by number. Whoever goes on with one takes it out
	// of the map, which is for the start alone, and has it from then on; it stays kept.
	Left() map[uint64]int
}

// DropLeft closes what nobody has taken of what an earlier process left.
func DropLeft(s Safe) {
	if s == nil {
		return
	}
	left := s.Left()
	for n, fd := range left {
		s.Drop(n, true)
		unix.Close(fd)
		delete(left, n)
	}
}

// KeptLock is the number of the lock of the state directory.
const KeptLock = 0

// NextKept is a number that no descriptor has had.
func (l *Ledger) NextKept() uint64 { return atomic.AddUint64(l.word(wordKept), 1) }
