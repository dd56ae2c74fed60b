package mqueue

import (
	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// A queue goes on in another process by the descriptor by which it was open, which is in a backends.Safe under a
// number of which the ledger has a record. What its name leads to by then does not matter: another program may have
// removed it while no process was there to see it, and nobody could open it again, or given it another mode. To keep
// one and drop it again takes whoever opens it some 8 µs.

// leftQueue is one that an earlier process left.
type leftQueue struct {
	id     backends.ID
	fd     int
	access int
	number uint64
	record backends.Record
	taken  bool
}

// LastsOpen has queues that are open outlive this process, and those go on that an earlier one had open. It is to
// be called before Lasts.
func (q *Queues) LastsOpen(l *backends.Ledger, safe backends.Safe, left []backends.Left) {
	if l == nil || safe == nil {
		return
	}
	q.safe = safe
	for _, one := range left {
		fd, ok := safe.Left()[one.Number]
		if !ok {
			l.Drop(&one.Record) // it was not kept yet
			continue
		}
		delete(safe.Left(), one.Number)
		a, err := backends.Fstat(fd)
		flags, e := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil || e != nil {
			a.ID = backends.ID{} // which nobody looks for
		}
		if q.left == nil {
			q.left = map[uint64][]*leftQueue{}
		}
		q.left[a.Ino] = append(q.left[a.Ino], &leftQueue{
			id: a.ID, fd: fd, access: flags & unix.O_ACCMODE, number: one.Number, record: one.Record,
		})
	}
}

// Resumed is called when all is open again that an earlier process had open: what nobody has taken is closed.
func (q *Queues) Resumed() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, list := range q.left {
		for _, one := range list {
			if !one.taken {
				q.lasting.ledger.Drop(&one.record)
				q.safe.Drop(one.number, backends.CloseLater)
				q.let++
				unix.Close(one.fd)
			}
		}
	}
	q.left = nil
	for _, one := range q.open {
		if one.holders == 0 {
			_ = one.end()
		}
	}
	if q.dir == nil {
		return // as in Lasts
	}
	for _, r := range q.lasting.pasts {
		q.lasting.ledger.Drop(&r)
	}
	q.lasting.pasts = nil
}

// holdLeft is hold of a queue that an earlier process had open, while all that it had is opened again; nil: it left
// none. Whoever has it open was let in then.
func (q *Queues) holdLeft(r backends.Ref, access int) *Queue {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, left := range q.left[r.Was.Ino] {
		if left.id != r.Was.ID || left.access != access && left.access != unix.O_RDWR {
			continue
		}
		if have := q.open[queueKey{left.id.Ino, left.access}]; have != nil {
			have.holders++
			return have
		}
		if left.taken {
			continue
		}
		a, err := backends.Fstat(left.fd)
		if err != nil {
			continue
		}
		p := q.pastOfOpen(a.Ino)
		switch {
		case a.Nlink > 0:
			p = q.past(r.Path, a.Ino)
		case p == nil:
			p = &past{ino: a.Ino, gone: true}
			p.keep(q.lasting.ledger, q.lasting.pasts[p.ino])
			delete(q.lasting.pasts, p.ino)
		}
		p.holders++
		one, err := q.use(r.Path, p, left.fd, left.access)
		if err != nil {
			left.taken = true
			q.lasting.ledger.Drop(&left.record)
			q.safe.Drop(left.number, backends.CloseLater)
			q.let++
			return nil
		}
		one.removed.Store(a.Nlink == 0)
		return one
	}
	return nil
}

// pastOfOpen is what is remembered of a queue that somebody has open, by whichever descriptor; nil: nobody has.
// The caller holds q.mu.
func (q *Queues) pastOfOpen(ino uint64) *past {
	for _, access := range accesses {
		if one := q.open[queueKey{ino, access}]; one != nil {
			return one.past
		}
	}
	return nil
}

// accesses are those that a descriptor may have.
var accesses = []int{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR}

// adopt has a queue that was opened again be kept by the number by which it was. The caller holds q.mu.
func (q *Queues) adopt(one *Queue) {
	for _, left := range q.left[one.ino] {
		if left.access != one.access || left.taken {
			continue
		}
		left.taken = true
		one.kept, one.keptAt = left.number, left.record
		if left.fd != one.fd {
			unix.Close(left.fd)
		}
		return // another one is as good, and nobody takes it
	}
}

// keep has a queue outlive this process that is open, if only briefly, as its name is about to go, or has gone. The
// caller holds q.mu.
func (q *Queues) keep(ino uint64) {
	for _, access := range accesses {
		if one := q.open[queueKey{ino, access}]; one != nil {
			one.keep()
		}
	}
}

// keep has the queue outlive this process. The caller holds q.mu.
func (one *Queue) keep() {
	q := one.all
	if q.safe == nil || one.kept != 0 {
		return
	}
	one.kept = q.lasting.ledger.NextKept()
	q.lasting.ledger.Put(&one.keptAt, backends.OpenRecord, one.kept, nil)
	q.safe.Keep(one.kept, one.fd)
}

// stays is the answer of a call that has opened a queue that is to stay open.
func (q *Queues) stays(one *Queue, err error) (*Queue, error) {
	if err == nil {
		q.mu.Lock()
		one.keep()
		q.mu.Unlock()
	}
	return one, err
}

// letKept ends that. For a moment more the queue is there, and takes room. The caller holds q.mu.
func (one *Queue) letKept() {
	if one.kept != 0 {
		one.all.lasting.ledger.Drop(&one.keptAt)
		one.all.safe.Drop(one.kept, backends.CloseLater)
		one.all.let++
		one.kept = 0
	}
}

// dropKept waits until those are closed that are to be kept no longer. It reports whether any may have been since
// q.dropped was as given.
func (q *Queues) dropKept(since int) bool {
	q.mu.Lock()
	let, dropped := q.let, q.dropped
	q.mu.Unlock()
	if let == dropped {
		return dropped != since
	}
	q.safe.Drop(q.lasting.ledger.NextKept(), backends.CloseFirst) // one that is not there, behind all of them
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped = max(q.dropped, let) // only now: another caller has to wait, too
	return true
}
