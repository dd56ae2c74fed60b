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
	// Drop ends that, before the caller closes the descriptor.
	Drop(number uint64, when Closing)
	// Left are the descriptors that an earlier process has left, by number. Whoever goes on with one takes it out
	// of the map, which is for the start alone, and has it from then on; it stays kept.
	Left() map[uint64]int
}

// Closing says when a descriptor is closed that is kept no longer.
type Closing int

const (
	CloseLater Closing = iota // within some milliseconds, with others, which costs least
	CloseSoon                 // without delay, as somebody hears the end of it, as the peer of a connection does
	CloseFirst                // before Drop returns, which may wait for a second
)

// DropLeft closes what nobody has taken of what an earlier process left.
func DropLeft(s Safe) {
	if s == nil {
		return
	}
	left := s.Left()
	for n, fd := range left {
		s.Drop(n, CloseFirst)
		unix.Close(fd)
		delete(left, n)
	}
}

// KeptLock is the number of the lock of the state directory.
const KeptLock = 0

// NextKept is a number that no descriptor has had.
func (l *Ledger) NextKept() uint64 { return atomic.AddUint64(l.word(wordKept), 1) }
