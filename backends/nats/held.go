package nats

import (
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// Messages that are here count as memory of the user for whom they came, from then on until they are read,
// given back or lost. Who may hold no more gets none: it goes back to the servers. One that was acknowledged
// cannot, and counts for whoever left without it, until somebody reads it (queue.offer).

// heldAside is what a message takes beside its bytes, in bytes.
const heldAside = 512

// pay counts a message for a user, if nobody pays for it yet. An error says that they may hold no more.
func (l *Link) pay(d *delivery, uid uint32) error {
	if l.Heap == nil || d.paid > 0 {
		return nil
	}
	n := d.takes()
	if err := l.Heap.Take(uid, n); err != nil {
		return err
	}
	d.payer, d.paid = uid, int(n)
	return nil
}

// takes is how much memory it takes, in bytes.
func (d *delivery) takes() int64 { return int64(len(d.data)) + heldAside }

// fitting is for how many messages the servers are asked after one went back: one when somebody who waits may
// hold it, or after a while, when there may be shorter ones. Each that goes back counts as a try.
func (q *queue) fitting() int {
	if q.line.n > 0 && time.Since(q.lacked) > pullLimit {
		return 1
	}
	var lacks *end
	for e := q.line.first; e != nil; e = e.next {
		if lacks == nil || lacks.uid != e.uid {
			if q.l.Heap.Fits(e.uid, q.lacks) {
				return 1
			}
			lacks = e
		}
	}
	return 0
}

// release is called when a message is not here any more.
func (l *Link) release(list ...*delivery) {
	for _, d := range list {
		if d.paid > 0 {
			l.Heap.Give(d.payer, int64(d.paid))
			d.paid = 0
		}
	}
}

// knows is known, of a message that is not kept if it is.
func (l *Link) knows(d *delivery) bool {
	known := l.known(d)
	if known {
		l.release(d)
	}
	return known
}

// payer is the end that waits longest of those whose users may hold a message, which pays for it; nil: there
// is none.
func (q *queue) payer(d *delivery) *end {
	var lacks *end
	for e := q.line.first; e != nil; e = e.next {
		if lacks != nil && lacks.uid == e.uid {
			continue
		}
		if q.l.pay(d, e.uid) == nil {
			return e
		}
		lacks = e
	}
	return nil
}

// PaidBy says which user pays for what comes to the end. It is to be told before anything is read.
func (e *End) PaidBy(uid uint32) { e.uid = uid }

// grow makes room for more receipts, which the share's user pays for.
func (s *share) grow(memory *backends.Budget) bool {
	had := cap(s.taken)
	n := min(max(2*had, leastReceipts), maxReceipts)
	if n <= had || memory != nil && memory.Take(s.uid, int64(n-had)*receiptSize) != nil {
		return false
	}
	s.taken = append(make([]receipt, 0, n), s.taken...)
	return true
}
