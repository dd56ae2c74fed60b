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

// fromDesks finishes what an earlier process was about. A message that was taken gets its record, with which
// it goes back like others; of one that is back in its queue the record is taken away.
func (l *Leases) fromDesks(q *Queues) {
	for _, d := range l.Ledger.Unfinished(takingLease | returningLease) {
		work, _, _, _ := d.Of()
		d.Resume()
		text, _, _ := bytes.Cut(d.Spare(), []byte{0})
		file, header, _ := strings.Cut(string(text), " ")
		one := &Lease{all: l, file: file}
		if size, err := one.parse(header); err == nil {
			_, sent := d.SentAgain()
			sent = sent || d.Unsure() && q.hasSent(one)
			d.Resume()
			buf := make([]byte, backends.DeskBytes)
			n, m, got := d.Again(buf)
			past := q.pastOf(one.queue, one.ino)
			switch {
			case work&returningLease != 0 && sent:
				if !got {
					d.Sent(0) // it was about to say so
				}
				d.CountIn(past.sent, 1, int64(size))
				if back, err := readRecord(l.dir.Fd(), file); err == nil && !l.known[file] {
					back.all, back.file = l, file
					l.remember(back, keyOf(back))
				}
				_ = l.dir.Remove(backends.Named(file))
			case work&takingLease != 0 && got:
				d.CountIn(past.received, 1, int64(n))
				one.Meta.Prio, one.Data = m.Prio, slices.Clone(buf[:n])
				one.Tries = 1 + l.tried(one)
				if _, err := readRecord(l.dir.Fd(), file); err != nil {
					_ = l.dir.Remove(backends.Named(file))
					_ = one.Record()
				}
				one.told()
			}
		}
		d.Free()
	}
}

// hasSent reports whether a message is back in its queue that an earlier process was about to return. Where
// that cannot be found out the message comes back: better twice than never.
func (q *Queues) hasSent(one *Lease) bool {
	to, err := q.alone(one.queue)
	if err != nil {
		return false
	}
	defer q.letGo(to)
	return to.ino == one.ino && to.count != nil && to.count.sent()
}

// header is the first line of a record.
func (one *Lease) header() []byte {
	return fmt.Appendf(nil, recordFormat, one.Meta.Prio, one.Tries, len(one.Data), one.ino, one.owner, one.uid,
		one.queue)
}
