package nats

import (
	"cmp"
	"slices"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
)

// A server may answer a take that there is nothing when a message was stored a moment ago, which its writer
// knows already: consumers hear of new messages a little later. So what seems to be empty is looked at once
// more: are there messages in the stream that nobody has?

// maxRechecks is how often a take asks again in vain. In a cluster the consumer's server may know of a
// message some round trips after the stream's.
const maxRechecks = 20

// recheck ends a take that found nothing, or has it ask again.
func (t *take) recheck() {
	q := t.e.q
	if t.checks++; t.checks > maxRechecks {
		t.finish(backends.ErrWouldBlock)
		return
	}
	var info streamInfo
	t.inquire("STREAM.INFO."+q.stream, nil, &info, func() {
		if q.g != nil {
			t.recheckGroup(&info)
			return
		}
		if info.State.Msgs == 0 && len(t.e.hand) == 0 {
			t.finish(backends.ErrWouldBlock)
			return
		}
		t.count(int(info.State.Msgs), slices.Clone(q.prios))
	})
}

// count takes those messages off that somebody has, of one priority after the other.
func (t *take) count(left int, prios []uint32) {
	q := t.e.q
	if d := q.takeAnySpare(); d != nil {
		t.list = append(t.list, d)
		t.pulled()
		return
	}
	switch {
	case len(t.e.hand) > 0:
		t.pulled()
		return
	case left <= 0:
		t.finish(backends.ErrWouldBlock)
		return
	case len(prios) == 0:
		t.prios = slices.Clone(q.prios)
		t.nextPrio()
		return
	}
	var info nats.ConsumerInfo
	t.inquire("CONSUMER.INFO."+q.stream+"."+consumerOf(prios[0]), nil, &info, func() {
		t.count(left-info.NumAckPending, prios[1:])
	})
}

// sort has what came in order: the server may have given what is older to a pull that waited, and for which
// nobody waits any more.
func (t *take) sort() {
	if len(t.list) == 0 {
		return
	}
	q := t.e.q
	last := t.list[len(t.list)-1]
	q.spare = slices.DeleteFunc(q.spare, func(d *delivery) bool {
		older := d.prio == last.prio && d.seq < last.seq
		if older {
			t.list = append(t.list, d)
		}
		return older
	})
	slices.SortStableFunc(t.list, func(a, b *delivery) int {
		return cmp.Or(-cmp.Compare(a.prio, b.prio), cmp.Compare(a.seq, b.seq))
	})
	for len(t.list) > t.most {
		d := t.list[len(t.list)-1]
		t.list = t.list[:len(t.list)-1]
		q.spare = append(q.spare, d)
	}
}
