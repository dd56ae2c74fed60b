package backends

import "maps"

// How a desk tells of a message that is sent.

// SendsTo says that a message of n bytes is about to be sent to the queue of this number, which has so many messages
// now, and perhaps a mark by which it is known whether one has moved since, else 0. Nobody else in this process
// moves one until Sent or NotSent. Another process finds out by Resolve.
func (d *Desk) SendsTo(queue uint64, n, queued int, mark uint32) {
	if d != nil {
		d.head.queue, d.head.length, d.head.queued, d.head.mark = queue, uint32(n), uint32(queued), mark
		d.head.sends = d.head.notes + 1
	}
}

// sending reports whether SendsTo was called, and neither Sent nor NotSent.
func (d *Desk) sending() bool { return d.head.sends == d.head.notes+1 }

// Resolve says whether the message was sent to a queue that an earlier process was just about to send there, if there
// is one, when the queue had so many and that mark. Whoever works on at its desk finds it noted, or sends it.
func (l *Ledger) Resolve(queue uint64, sent func(queued int, mark uint32) bool) {
	if l == nil {
		return
	}
	l.mu.Lock()
	var list []*Desk
	maps.DeleteFunc(l.sending, func(d *Desk, to uint64) bool {
		if to == queue {
			list = append(list, d)
		}
		return to == queue
	})
	l.mu.Unlock()
	for _, d := range list {
		if d.Full() {
			continue // no process has left that
		}
		if !sent(int(d.head.queued), d.head.mark) {
			d.head.sends = 0
			continue
		}
		d.all[d.head.notes] = deskNote{n: d.head.length}
		d.head.notes++
		d.head.sends = 0
		d.left = int(d.head.notes)
	}
}

// NotSent says that it was not.
func (d *Desk) NotSent() {
	if d != nil {
		d.head.sends = 0
	}
}
