package mqueue

import (
	"sync"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// A process may be killed in mq_send(3), or behind it, before it has noted that. So it notes beforehand how many
// messages the queue has, and moves no other one until the message is noted: the next process tells by how many there
// are whether it was sent (backends.Desk.SendsTo). Where native programs use the queue, too, they may have moved some
// by then. Such a queue is marked before: its mtime is set back, which any message that moves sets to now. So a message
// comes to harm only if the process is killed between the mark and mq_send(3), and a native program moves one, or sets
// the time; or if it is the first that such a program takes after nativeSends that none did.

// traffic is how messages of a queue move. Its lock is held while one does, until that is noted.
type traffic struct {
	sync.Mutex
	there  int // how many messages there are, unless native programs have moved some
	native int // for so many more sends they are taken to do so
}

// nativeSends is for how many sends native programs are taken to use a queue after they did, and when it is opened: one
// may wait in mq_receive(3), and takes a message as it is sent. A mark takes 0.4 µs.
const nativeSends = 64

// begin is called when the queue is opened, which nobody else has, and has so many.
func (t *traffic) begin(now int) { t.there, t.native = now, nativeSends }

// mark is called before a message is sent to the queue open at fd, which has so many. It marks it if there is need,
// and returns by which second; 0: it is not marked. The caller holds the lock.
func (t *traffic) mark(fd, now int) uint32 {
	if now != t.there {
		t.begin(now)
	}
	if t.native == 0 {
		return 0
	}
	t.native--
	at := time.Now().Add(-2 * time.Second) // the kernel keeps whole seconds here
	if backends.Apply(fd, backends.Change{Mtime: &at}) != nil {
		return 0 // it is another user's
	}
	return uint32(at.Unix())
}

// lasting is what all queues have in the ledger.
type lasting struct {
	ledger *backends.Ledger           // nil: there is none
	pasts  map[uint64]backends.Record // what an earlier process remembered, by inode
}

// Lasts has the queues go on from what an earlier process left in a ledger, before any is opened.
func (q *Queues) Lasts(l *backends.Ledger, left func(kind uint32) []backends.Left) {
	if l == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lasting = lasting{l, byNumber(left(backends.PastRecord))}
	for _, p := range q.pasts {
		p.keep(l, q.lasting.pasts[p.ino])
		delete(q.lasting.pasts, p.ino)
	}
	if q.dir == nil {
		return // others may be there, which nobody has opened yet
	}
	for ino, r := range q.lasting.pasts {
		if q.left[ino] == nil {
			l.Drop(&r)
			delete(q.lasting.pasts, ino)
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

// judge has what an earlier process was about to send to a queue, which is open at fd, be noted, if it was sent. It
// is called when the queue is opened, before anybody moves a message of it.
func (l *lasting) judge(fd int, ino uint64, a mqAttr) {
	l.ledger.Resolve(ino, func(queued int, mark uint32) bool {
		if mark == 0 {
			return a.CurMsgs > queued
		}
		is, err := backends.Fstat(fd)
		return err == nil && uint32(is.Mtime.Unix()) != mark
	})
}
