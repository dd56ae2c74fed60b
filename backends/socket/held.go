package socket

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// Sockets outlive this process: their descriptors are in a backends.Safe, and records in the ledger say what
// they are. A record is written first, then the descriptor is kept, before anything is done with it that
// others notice. So another process finds what was done: a connection that was accepted or dialled for nobody
// yet, too.

// lasting is what a Maker needs for that.
type lasting struct {
	ledger *backends.Ledger // nil: nothing outlives this process
	safe   backends.Safe
	left   map[uint64]int        // descriptors that an earlier process left, and nobody has taken yet
	conns  map[uint64]*held      // connections that it left, and nobody has taken yet
	asked  map[uint64]uint64     // of those, by the request that dials
	lists  map[string]listRecord // what it listened with
	calls  map[uint64][]waiter   // who dialled, by the number of the listener
	opened map[uint64]*Listener  // those that go on
	counts map[string]backends.Record
}

// connRecord is what the ledger has of a connection.
type connRecord struct {
	Listener uint64 // that accepted it; 0: it was dialled
	Request  uint64 // in which it was dialled, until Owned; 0: when an open file was used, which has its number
	Made     bool   // it is connected
	Owned    bool   // an open file has its number, or had
	Failed   int    // the errno with which dialling has ended; there is no socket then
	Peer     Peer
	Since    int64 // in nanoseconds since 1970
}

// listRecord is what the ledger has of a socket that listens.
type listRecord struct {
	Key     string   // what its object is known by
	Name    string   // of a Unix socket: where it is bound
	Numbers []uint64 // of its descriptors

	at backends.Record
}

// waiter is who made a call through the daemon that was not accepted yet.
type waiter struct {
	Listener uint64
	Daemon   int // its process then, which the kernel takes for the caller
	Peer     Peer

	at backends.Record
}

// held is the socket of a connection as it outlives this process.
type held struct {
	s      *Maker
	number uint64 // 0: it does not
	lost   bool   // an earlier process had it, and left none
	took   bool   // the request in which it was dialled has come again

	mu sync.Mutex
	connRecord
	at      backends.Record
	counted backends.Record // how many bytes
	fd      int             // that an earlier process left; -1: none
	safe    bool            // there is a descriptor in the safe, whether or not there was room for the record
}

// Lasts has sockets outlive this process, and go on that an earlier one left, before anything is opened.
func (s *Maker) Lasts(l *backends.Ledger, safe backends.Safe, left func(kind uint32) []backends.Left) {
	if l == nil || safe == nil {
		return
	}
	s.last = lasting{
		ledger: l, safe: safe, left: map[uint64]int{},
		conns: map[uint64]*held{}, asked: map[uint64]uint64{}, lists: map[string]listRecord{},
		calls: map[uint64][]waiter{}, opened: map[uint64]*Listener{},
		counts: map[string]backends.Record{},
	}
	all, listens := safe.Left(), map[uint64]bool{}
	for _, one := range left(backends.ListenRecord) {
		r := listRecord{at: one.Record}
		if json.Unmarshal(one.Data, &r) != nil || !has(all, r.Numbers) {
			l.Drop(&r.at)
			continue
		}
		s.last.lists[r.Key] = r
		for _, n := range r.Numbers {
			s.last.left[n], listens[n] = all[n], true
			delete(all, n)
		}
	}
	for _, one := range left(backends.ConnRecord) {
		h := &held{s: s, number: one.Number, at: one.Record, fd: -1}
		err := json.Unmarshal(one.Data, &h.connRecord)
		if fd, ok := all[one.Number]; ok { // else it was not kept yet, or dialling has ended
			h.fd, h.safe = fd, true
			delete(all, one.Number)
		}
		h.lost = err != nil || h.fd < 0 && h.Made
		s.last.conns[one.Number] = h
		if h.Request != 0 && !h.Owned {
			s.last.asked[h.Request] = one.Number
		}
	}
	s.countsLeft(left)
	calls := left(backends.CallRecord)
	slices.SortFunc(calls, func(a, b backends.Left) int { return cmp.Compare(a.Number, b.Number) })
	for _, one := range calls {
		w := waiter{at: one.Record}
		if json.Unmarshal(one.Data, &w) != nil || !listens[w.Listener] {
			l.Drop(&w.at)
			continue
		}
		s.last.calls[w.Listener] = append(s.last.calls[w.Listener], w)
	}
}

// has reports whether an earlier process has left all these descriptors.
func has(left map[uint64]int, numbers []uint64) bool {
	for _, n := range numbers {
		if _, ok := left[n]; !ok {
			return false
		}
	}
	return len(numbers) > 0
}

// discard closes a descriptor that an earlier process left.
func (l *lasting) discard(number uint64) {
	l.safe.Drop(number, backends.CloseFirst)
	unix.Close(l.left[number])
	delete(l.left, number)
}

// Resumed is called when all that was open is open again. What nobody has taken ends, but for what was
// accepted for nobody yet: the next who accept get it, in the order in which it came.
func (s *Maker) Resumed() {
	for key, r := range s.last.lists {
		delete(s.last.lists, key)
		for _, n := range r.Numbers {
			s.last.discard(n)
		}
		s.last.ledger.Drop(&r.at)
	}
	for _, number := range slices.Sorted(maps.Keys(s.last.conns)) {
		h := s.last.conns[number]
		if !h.Owned && h.Request != 0 {
			continue // its request is going to come again
		}
		delete(s.last.conns, number)
		l := s.last.opened[h.Listener]
		if h.Owned || h.fd < 0 || l == nil || !l.takeBack(call{h.fd, peerOf(h.fd), h}) {
			_ = h.end(h.fd)
		}
	}
	s.last.opened, s.last.calls = nil, nil
	s.countsGone()
}

// Asked is called when a request has come that an earlier process may have begun with, and reports whether
// that has left a connection which is for it. Then Over is to be called.
func (s *Maker) Asked(request uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.last.conns[s.last.asked[request]]
	if h != nil {
		h.took = true
	}
	return h != nil
}

// Over is called when the request has come to its end. A connection that it did not take ends.
func (s *Maker) Over(request uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number := s.last.asked[request]
	delete(s.last.asked, request)
	if h := s.last.conns[number]; h != nil {
		delete(s.last.conns, number)
		_ = h.end(h.fd)
	}
}

// Settled is called when all requests have come again that an earlier process had not answered.
func (s *Maker) Settled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for number, h := range s.last.conns {
		if !h.took {
			delete(s.last.conns, number)
			_ = h.end(h.fd)
		}
	}
}

// hold begins to hold a connection: one that an earlier process left, or a new one.
func (s *Maker) hold(c Call) *held {
	if s.last.ledger == nil {
		return &held{s: s, fd: -1}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	number := c.Number
	if n, ok := s.last.asked[c.Request]; ok && number == 0 && c.Request != 0 {
		delete(s.last.asked, c.Request)
		number = n
	}
	if h := s.last.conns[number]; h != nil {
		delete(s.last.conns, number)
		return h
	}
	if number == 0 {
		number = s.last.ledger.NextKept()
	}
	return &held{s: s, number: number, connRecord: connRecord{Request: c.Request}, fd: -1}
}

// announce writes the record of a socket before there is one: then it only has to be kept.
func (h *held) announce() {
	if h.number != 0 {
		h.mu.Lock()
		h.save()
		h.mu.Unlock()
	}
}

// kept is keep of one that was announced.
func (h *held) kept(fd int) {
	if h.number != 0 {
		h.mu.Lock()
		h.safe = true
		h.s.last.safe.Keep(h.number, fd)
		h.mu.Unlock()
	}
}

// keep has a new socket outlive this process.
func (h *held) keep(fd int) {
	if h.number == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.save()
	h.safe = true
	h.s.last.safe.Keep(h.number, fd)
}

// save writes the record. The caller holds h.mu.
func (h *held) save() {
	if b, err := json.Marshal(&h.connRecord); err == nil {
		h.s.last.ledger.Put(&h.at, backends.ConnRecord, h.number, b)
	}
}

// change has f change the record, if there is one.
func (h *held) change(f func(r *connRecord)) {
	if h.number == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.connRecord
	if f(&h.connRecord); h.connRecord != was && h.at != (backends.Record{}) {
		h.save()
	}
}

// left is the socket that an earlier process left, once; -1: none.
func (h *held) left() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	fd := h.fd
	h.fd = -1
	return fd
}

// dialledBefore reports whether a socket that an earlier process has left is connected.
func dialledBefore(fd int) bool {
	_, err := unix.Getpeername(fd)
	return err == nil
}

// failed keeps the error with which dialling has ended.
func (h *held) failed(err error) {
	var errno unix.Errno
	if h.number == 0 || !errors.As(err, &errno) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Failed = int(errno)
	h.save()
}

// end closes the socket. The peer sees that at once, though the other descriptor of it is closed a moment
// later: but for what it sent and nobody has read, of which it hears when that is closed.
func (h *held) end(fd int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.s.last.ledger.Drop(&h.at)
	h.s.last.ledger.Drop(&h.counted)
	if fd < 0 {
		return nil
	}
	if h.safe {
		h.safe = false
		if n, err := unix.IoctlGetInt(fd, unix.SIOCINQ); err != nil || n == 0 {
			_ = unix.Shutdown(fd, unix.SHUT_RDWR)
		}
		h.s.last.safe.Drop(h.number, backends.CloseSoon)
	}
	return unix.Close(fd)
}
