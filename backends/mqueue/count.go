package mqueue

import (
	"sync/atomic"

	"github.com/ipcfs/ipcfs/backends"
)

// count is how many messages a queue should hold by what the daemon has sent and received, in the ledger. It is right
// as long as no other program uses the queue, and again when that was found empty or full.
type count struct {
	now    *int64 // nil: nobody needs to know
	most   int64
	record backends.Record
}

// counts are those of all queues.
type counts struct {
	ledger *backends.Ledger           // nil: nothing is counted
	left   map[uint64]backends.Record // by an earlier process, by inode
}

// Lasts has the queues count in a ledger, and go on from what an earlier process left there.
func (q *Queues) Lasts(l *backends.Ledger, left []backends.Left) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.counts = counts{l, map[uint64]backends.Record{}}
	for _, one := range left {
		q.counts.left[one.Number] = one.Record
	}
}

// count begins the count of a queue that is opened, or goes on with it. The caller holds q.mu.
func (q *Queues) countOf(ino uint64, a mqAttr) (c count) {
	c.most = int64(a.MaxMsg)
	c.record = q.counts.left[ino]
	delete(q.counts.left, ino)
	known := c.record != backends.Record{}
	if c.now = q.counts.ledger.Word(&c.record, backends.QueueRecord, ino); c.now != nil && !known {
		*c.now = int64(a.CurMsgs)
	}
	return c
}

// add counts n messages more.
func (c *count) add(n int64) {
	if c.now != nil {
		atomic.AddInt64(c.now, n)
	}
}

// is notes how many there are.
func (c *count) is(n int64) {
	if c.now != nil {
		atomic.StoreInt64(c.now, n)
	}
}

// full reports whether the queue should be full.
func (c *count) full() bool { return c.now != nil && atomic.LoadInt64(c.now) >= c.most }
