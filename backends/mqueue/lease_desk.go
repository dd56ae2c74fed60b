package mqueue

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
)

// Between a queue and the record of a lease a message lies on a desk (backends.Desk), on its way out as on
// its way back, so that it is in neither or in both for no longer than a system call takes to return.

// takingLease and returningLease mark desks that are ours, in the number of their work.
const (
	takingLease    = 1 << 60
	returningLease = 1 << 61
)

// desk begins work on a lease at a desk; nil: there is none.
func (l *Leases) desk(one *Lease, work uint64) *backends.Desk {
	d := l.Ledger.Desk()
	if d == nil {
		return nil
	}
	text := append([]byte(one.file+" "), one.header()...)
	copy(d.Spare(), append(text, 0))
	d.Begin(work)
	return d
}

// free ends that.
func free(d *backends.Desk) {
	if d != nil {
		d.Free()
	}
}

// fromDesks finishes what an earlier process was about. Of a message that is back in its queue the record is
// taken away; one that was taken gets its record, with which it goes back like others.
func (l *Leases) fromDesks(q *Queues) {
	back := map[string]bool{}
	for _, work := range []uint64{returningLease, takingLease} {
		for _, d := range l.Ledger.Unfinished(work) {
			text, _, _ := bytes.Cut(d.Spare(), []byte{0})
			file, header, _ := strings.Cut(string(text), " ")
			one := &Lease{all: l, file: file}
			size, err := one.parse(header)
			if work == returningLease && err == nil {
				q.resolve(one.queue)
			}
			d.Resume()
			switch {
			case err != nil || back[file]: // one that could not be recorded is back
			case work == takingLease:
				l.hasTaken(one, q, d)
			default:
				back[file] = l.hasReturned(one, q, d, size)
			}
			d.Free()
		}
	}
}

// hasReturned finishes with a message of so many bytes that an earlier process was about to return at d, and
// reports whether it had.
func (l *Leases) hasReturned(one *Lease, q *Queues, d *backends.Desk, size int) bool {
	_, _, answer, _ := d.Of()
	if _, sent := d.SentAgain(); !sent {
		return false
	}
	d.CountIn(q.pastOf(one.queue, one.ino).sent, 1, int64(size))
	back, err := readRecord(l.dir.Fd(), one.file)
	if err == nil && answer != remembered {
		back.all, back.file = l, one.file
		if key := keyOf(back); !l.remembers(back, key) {
			l.remember(back, back.ino, key, d)
		}
	}
	_ = l.dir.Remove(backends.Named(one.file))
	return true
}

// hasTaken finishes with a message that an earlier process was about to take at d.
func (l *Leases) hasTaken(one *Lease, q *Queues, d *backends.Desk) {
	buf := make([]byte, backends.DeskBytes)
	n, m, got := d.Again(buf)
	if !got {
		return
	}
	d.CountIn(q.pastOf(one.queue, one.ino).received, 1, int64(n))
	one.Meta.Prio, one.Data = m.Prio, slices.Clone(buf[:n])
	one.Tries = 1 + l.tried(one, d)
	if _, err := readRecord(l.dir.Fd(), one.file); err != nil {
		_ = l.dir.Remove(backends.Named(one.file))
		_ = one.Record()
	}
	one.told()
}

// resolve has what an earlier process was about to send to a queue be noted, if it was sent. Of a queue that cannot be
// opened that is not known, and the message comes back: better twice than never.
func (q *Queues) resolve(queue string) {
	if to, err := q.alone(queue); err == nil {
		q.letGo(to)
	}
}

// header is the first line of a record.
func (one *Lease) header() []byte {
	return fmt.Appendf(nil, recordFormat, one.Meta.Prio, one.Tries, len(one.Data), one.ino, one.owner, one.uid,
		one.queue)
}
