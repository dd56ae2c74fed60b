package mqueue

import "github.com/ipcfs/ipcfs/backends"

// A process may be killed in mq_send(3), or behind it, before it has noted that. So it notes beforehand how many
// messages the queue has, and moves no other one until the message is noted: the next process tells by how many there
// are whether it was sent (backends.Desk.SendsTo). Only a native program that moves a message just then makes it wrong.

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

// judge has what an earlier process was about to send to a queue be noted, if it was sent. It is called when the queue
// is opened, before anybody moves a message of it.
func (l *lasting) judge(ino uint64, a mqAttr) {
	l.ledger.Resolve(ino, func(queued int) bool { return a.CurMsgs > queued })
}
