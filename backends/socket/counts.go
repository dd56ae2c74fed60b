package socket

import (
	"sync/atomic"

	"github.com/ipcfs/ipcfs/backends"
)

// Counts are numbers that outlive this process until they are dropped, and go on as this process's own then.
// Whoever has them guards Drop and At.
type Counts struct {
	s   *Maker
	at  backends.Record
	all []atomic.Int64
}

// objectCounts is how many numbers there are of an object.
const objectCounts = 4

// Counts are four numbers of the object that is known by key, 0 at first. One at a time has them.
func (s *Maker) Counts(key string) *Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Counts{s: s, at: s.last.counts[key]}
	delete(s.last.counts, key)
	number := uint64(0)
	if s.last.ledger != nil {
		number = s.last.ledger.NextKept()
	}
	c.all = s.last.ledger.Counts(&c.at, backends.SocketCounts, number, objectCounts, key)
	return c
}

// counts are those of a connection: the bytes that it received, and sent.
func (h *held) counts() *Counts {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &Counts{s: h.s, at: h.counted}
	l := h.s.last.ledger
	if h.number == 0 {
		l = nil
	}
	c.all = l.Counts(&c.at, backends.ConnCounts, h.number, 2, "")
	h.counted = c.at
	return c
}

// At is the i-th of them.
func (c *Counts) At(i int) *atomic.Int64 { return &c.all[i] }

// Drop has them end with this process.
func (c *Counts) Drop() {
	c.own()
	c.s.last.ledger.Drop(&c.at)
}

// own has them be this process's own from now on. What is in the ledger stays there.
func (c *Counts) own() {
	was := c.all
	c.all = make([]atomic.Int64, len(was))
	for i := range was {
		c.all[i].Store(was[i].Load())
	}
}

// countsLeft finds what an earlier process counted.
func (s *Maker) countsLeft(left func(kind uint32) []backends.Left) {
	for _, one := range left(backends.SocketCounts) {
		s.last.counts[one.CountsOf(objectCounts)] = one.Record
	}
	for _, one := range left(backends.ConnCounts) {
		if h := s.last.conns[one.Number]; h != nil {
			h.counted = one.Record
		} else {
			s.last.ledger.Drop(&one.Record)
		}
	}
}

// countsGone drops what nobody has taken.
func (s *Maker) countsGone() {
	for _, r := range s.last.counts {
		s.last.ledger.Drop(&r)
	}
	s.last.counts = nil
}
