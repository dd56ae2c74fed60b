package mqueue

import (
	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// A queue whose name is gone is there for those who have it open, and nobody can open it again. So that it
// goes on in another process its descriptor is in a backends.Safe, under a number of which the ledger has a
// record.

// leftQueue is one that an earlier process left.
type leftQueue struct {
	id     backends.ID
	fd     int
	access int
	number uint64
	record backends.Record
	taken  bool
}

// LastsGone has queues whose names are gone outlive this process, and those go on that an earlier one left.
// It is to be called before Lasts.
func (q *Queues) LastsGone(l *backends.Ledger, safe backends.Safe, left []backends.Left) {
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
		a, err := backends.Fstat(fd)
		flags, e := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil || e != nil {
			a.ID = backends.ID{} // which nobody looks for
		}
		q.left = append(q.left, &leftQueue{
			id: a.ID, fd: fd, access: flags & unix.O_ACCMODE, number: one.Number, record: one.Record,
		})
	}
}

// leftOne reports whether an earlier process left a queue that has this inode. The caller holds q.mu.
func (q *Queues) leftOne(ino uint64) bool {
	for _, one := range q.left {
		if one.id.Ino == ino {
			return true
		}
	}
	return false
}

// Resumed is called when all is open again that an earlier process had open: what nobody has taken is closed.
func (q *Queues) Resumed() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, one := range q.left {
		if !one.taken {
			q.counts.ledger.Drop(&one.record)
			q.safe.Drop(one.number, false)
			unix.Close(one.fd)
		}
	}
	q.left = nil
	if q.dir == nil {
		return // as in Lasts
	}
	for _, r := range q.counts.pasts {
		q.counts.ledger.Drop(&r)
	}
	q.counts.pasts = nil
}

// holdGone is hold of a queue that an earlier process left; nil: it left none.
func (q *Queues) holdGone(r backends.Ref, access int) *Queue {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, left := range q.left {
		if left.id != r.Was.ID || left.access != access && left.access != unix.O_RDWR {
			continue
		}
		if have := q.open[queueKey{left.id.Ino, left.access}]; have != nil {
			have.holders++
			return have
		}
		p := &past{ino: left.id.Ino, holders: 1, gone: true}
		p.keep(q.counts.ledger, q.counts.pasts[p.ino])
		delete(q.counts.pasts, p.ino)
		one, err := q.use(r.Path, p, left.fd, left.access)
		if left.taken = true; err != nil {
			q.counts.ledger.Drop(&left.record)
			q.safe.Drop(left.number, false)
			return nil
		}
		one.kept, one.keptAt = left.number, left.record
		one.removed.Store(true)
		return one
	}
	return nil
}

// keep has a queue that is open outlive this process, as its name is about to go, or has gone. The caller
// holds q.mu.
func (q *Queues) keep(ino uint64) {
	for key, one := range q.open {
		if q.safe == nil || key.ino != ino || one.kept != 0 {
			continue
		}
		one.kept = q.counts.ledger.NextKept()
		q.counts.ledger.Put(&one.keptAt, backends.GoneRecord, one.kept, nil)
		q.safe.Keep(one.kept, one.fd)
	}
}

// unkeep ends that, unless somebody else has removed the name meanwhile. The caller holds q.mu.
func (q *Queues) unkeep(ino uint64) {
	for key, one := range q.open {
		if key.ino == ino && !one.removed.Load() {
			one.letGone()
		}
	}
}

func (one *Queue) letGone() {
	if one.kept != 0 {
		one.all.counts.ledger.Drop(&one.keptAt)
		one.all.safe.Drop(one.kept, false)
		one.kept = 0
	}
}
