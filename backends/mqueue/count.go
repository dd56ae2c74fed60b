package mqueue

import (
	"sync"
	"sync/atomic"

	"github.com/ipcfs/ipcfs/backends"
)

// count is how many messages a queue should hold by what the daemon has sent and received, in the ledger. All
// who have the queue open share it. It is right as long as no other program uses the queue, and again when
// that was found empty or full. A nil count counts nothing.
type count struct {
	now     *int64
	most    int64
	moves   sync.Mutex
	record  backends.Record
	holders int // under Queues.mu
}

// counts are those of all queues.
type counts struct {
	ledger *backends.Ledger           // nil: nothing is counted
	left   map[uint64]backends.Record // by an earlier process, by inode,
	pasts  map[uint64]backends.Record // and what it remembered
	all    map[uint64]*count
}

// Lasts has the queues count in a ledger, and go on from what an earlier process left there, before any is
// opened.
func (q *Queues) Lasts(l *backends.Ledger, left func(kind uint32) []backends.Left) {
	if l == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.counts = counts{l, byNumber(left(backends.QueueRecord)), byNumber(left(backends.PastRecord)), map[uint64]*count{}}
	for _, p := range q.pasts {
		p.keep(l, q.counts.pasts[p.ino])
		delete(q.counts.pasts, p.ino)
	}
	if q.dir == nil {
		return // others may be there, which nobody has opened yet
	}
	for ino, r := range q.counts.pasts {
		if q.left[ino] == nil {
			l.Drop(&r)
			delete(q.counts.pasts, ino)
		}
	}
}

func byNumber(left []backends.Left) map[uint64]backends.Record {
	all := map[uint64]backends.Record{}
	for _, one := range left {
		all[one.Number] = one.Record
	}
	return all
}

// hold is the count of a queue that is opened, of which nothing was sent or received since an earlier process
// did, until drop. The caller holds Queues.mu.
func (cs *counts) hold(ino uint64, a mqAttr) *count {
	if cs.ledger == nil {
		return nil
	}
	if c := cs.all[ino]; c != nil {
		c.holders++
		return c
	}
	c := &count{most: int64(a.MaxMsg), record: cs.left[ino], holders: 1}
	known := c.record != backends.Record{}
	delete(cs.left, ino)
	if c.now = cs.ledger.Word(&c.record, backends.QueueRecord, ino); c.now == nil {
		return nil
	}
	if known {
		cs.ledger.Resolve(ino, func(int) bool { return sent(int64(a.CurMsgs)-*c.now, a) })
	}
	*c.now = int64(a.CurMsgs) // only now: a process that goes on after a kill here finds the same
	cs.all[ino] = c
	return c
}

// drop gives a count up. The last drop ends it, if the queue was opened: its place in the ledger is free for
// other records then. The caller holds Queues.mu.
func (cs *counts) drop(ino uint64, c *count) {
	if c == nil {
		return
	}
	if c.holders--; c.holders == 0 {
		cs.ledger.Drop(&c.record)
		delete(cs.all, ino)
	}
}

// add counts n messages more.
func (c *count) add(n int64) {
	if c != nil {
		atomic.AddInt64(c.now, n)
	}
}

// is notes how many there are.
func (c *count) is(n int64) {
	if c != nil {
		atomic.StoreInt64(c.now, n)
	}
}

// isFull notes that there is no room.
func (c *count) isFull() {
	if c != nil {
		c.is(c.most)
	}
}

// full reports whether the queue should be full.
func (c *count) full() bool { return c != nil && atomic.LoadInt64(c.now) >= c.most }

// sent reports whether the one message went into the queue that an earlier process was about to send, if it was, by
// how many more there are than it had counted. If that is further from the count, other programs use it, too, and the
// message was sent unless there was no room.
func sent(odd int64, a mqAttr) bool {
	switch odd {
	case 1:
		return true
	case 0, -1: // it may have received one
		return false
	}
	return a.CurMsgs < a.MaxMsg
}

// begin begins what moves a message, until it is counted and noted at its desk, which is when to call end. Nobody else
// moves one meanwhile, so that the count is wrong by one at most.
func (c *count) begin() {
	if c != nil {
		c.moves.Lock()
	}
}

func (c *count) end() {
	if c != nil {
		c.moves.Unlock()
	}
}
