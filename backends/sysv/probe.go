package sysv

import (
	"slices"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// peekDepth is how many messages has copies to look at their types, each copy a system call.
const peekDepth = 64

// has reports whether there is a message of a selection, for poll(2). d is the queue as it is.
//
// The kernel only tells how many messages there are. So the first ones are copied (MSG_COPY). What is
// beyond those is asked for with no room to receive it: the answer E2BIG says that it is there, and leaves
// it there. An empty message however needs no room, and is received. It is held for the next reader of its
// type, and given back if there is none (sysv_poll.txtar).
func (q *openQueue) has(sel Select, d *msqid) bool {
	if q.holds(sel) {
		return true
	}
	if sel.Type == 0 || d.qnum == 0 {
		return d.qnum > 0
	}
	at := 0
	if q.all.Peeks {
		info, _, err := msgLimits()
		if err != nil {
			return false
		}
		p := make([]byte, min(d.cbytes, uintptr(info.msgmax))) // no message is longer than all of them
		for ; at < min(int(d.qnum), peekDepth); at++ {
			_, typ, err := q.receive(p, at, msgCopy)
			if err != nil {
				break
			}
			if sel.takes(typ) {
				return true
			}
		}
		if at == int(d.qnum) {
			return false
		}
	}
	b := make([]byte, longSize)
	q.moves.Lock()
	defer q.moves.Unlock()
	_, err := msgrcv(q.id, b, sel.Type, sel.flags())
	if err == nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.holdNow(append(q.held, *msgType(b)))
	}
	return err == nil || err == unix.E2BIG
}

func (q *openQueue) holds(sel Select) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.ContainsFunc(q.held, sel.takes)
}

// takeHeld takes the oldest held message of a selection, notes on a desk that p has it, and returns its type;
// 0 if there is none.
func (q *openQueue) takeHeld(sel Select, p []byte, d *backends.Desk) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.IndexFunc(q.held, sel.takes)
	if i < 0 {
		return 0
	}
	typ := q.held[i]
	d.Got(p[:0], backends.Meta{Type: typ}) // first: between the two it is in both places, and not in none
	q.holdNow(slices.Delete(q.held, i, i+1))
	return typ
}

// giveBack sends held messages again and reports whether none is left. They go behind the others; where that
// fails, as when the queue is full, they stay for the next who opens it. The caller holds q.mu.
func (q *openQueue) giveBack() bool {
	var d msqid
	for sent := true; len(q.held) > 0; {
		if q.stat(&d) != nil {
			q.holdNow(nil) // they are gone with the queue
			break
		}
		if !sent {
			return false
		}
		b := make([]byte, longSize)
		*msgType(b) = q.held[0]
		if sent = msgsnd(q.id, b) == nil; sent {
			q.holdNow(q.held[1:])
		}
	}
	return true
}
