package nats

import (
	"slices"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
)

// A take receives messages for an end: it asks the servers for those that are there now, the highest priority
// first, and acknowledges what came. Until the servers have answered that, nobody else gets a message of it,
// and neither does the end's user. Link.mu guards it.
type take struct {
	e          *end
	most       int  // messages
	room, each int  // bytes: see backends.Taker; 0: they are not counted
	holds      bool // what comes is only kept for the end, and not acknowledged: poll(2) asks

	prios  []uint32 // still to be asked for
	list   []*delivery
	slot   int       // where answers come; 0: none
	left   int       // messages that the pull may still bring
	q      *question // that is not answered yet; nil: none
	retry  time.Time // when to ask again, as there was nobody to answer; zero: not
	due    time.Time
	short  error // a message was given back, as the end's user may hold no more
	acking bool  // the acknowledgements are not answered yet
	sure   bool  // they are

	checks int // how often it was looked whether there is really nothing

	told  func() // is called when it is over; nil: nobody is
	asked bool   // somebody waits for it
	cutting
	over bool
	err  error
}

// newTake makes the take of an end.
func (e *end) newTake(n, room, each int) *take {
	t := &take{
		e: e, most: n, room: room, each: each, asked: true, due: time.Now().Add(e.q.l.c.Timeout),
	}
	e.in, e.short, e.q.asker = t, false, e.uid
	return t
}

// start takes what was given to the end, or to nobody, and asks for more.
func (t *take) start() {
	e := t.e
	t.list, e.hand = append(t.list, e.hand...), nil
	switch {
	case len(t.list) >= t.most:
		t.pulled()
	case len(e.q.prios) == 1:
		t.prios = slices.Clone(e.q.prios)
		t.nextPrio()
	default:
		t.look()
	}
}

// look asks which priorities there are messages of, the highest of which is received first.
func (t *take) look() {
	q := t.e.q
	var info streamInfo
	filter := map[string]string{"subjects_filter": queueSubjects + escape(q.name) + ".*"}
	t.inquire("STREAM.INFO."+q.stream, filter, &info, func() {
		t.prios = q.waiting(&info)
		t.nextPrio()
	})
}

// inquire asks the API something for the take, reads the answer into out, and goes on with it.
func (t *take) inquire(subject string, in, out any, next func()) {
	t.ask(&question{
		subject: api + subject, body: encode(in),
		answer: func(m *nats.Msg, err error) {
			if t.q = nil; err == nil {
				err = decode(m.Data, out)
			}
			switch {
			case t.over:
			case err == errNobody || err == errConsumerNone:
				t.again()
			case err != nil:
				t.failed(err)
			default:
				next()
			}
		},
	})
}

// nextPrio goes on with the next priority, or ends.
func (t *take) nextPrio() {
	q := t.e.q
	for len(t.prios) > 0 && len(t.list) < t.most && t.short == nil {
		if d := q.takeSpare(t.prios[0]); d != nil {
			t.list = append(t.list, d)
			continue
		}
		t.seek()
		return
	}
	t.pulled()
}

// seek begins a pull. The members of a group have to know first what others have received.
func (t *take) seek() {
	if t.e.q.settling() {
		t.again()
		return
	}
	t.e.q.l.takeSlot(t)
}

// pull asks for messages of the first of the priorities. There is a slot for the answers.
func (t *take) pull() {
	if t.over {
		t.e.q.l.giveSlot(t, true)
		return
	}
	t.left = t.most - len(t.list)
	t.ask(&question{
		subject: t.e.q.next(t.prios[0]), slot: t.slot,
		body: encode(pullRequest{Batch: t.left, NoWait: true}),
		answer: func(_ *nats.Msg, err error) {
			t.q = nil
			t.failed(err)
		},
	})
}

// ask sends a question of the take.
func (t *take) ask(q *question) {
	if err := t.e.q.l.ask(q, time.Until(t.due)); err != nil {
		t.failed(err)
		return
	}
	t.q = q
}

// again asks again in a moment: there is no leader now, or there is no queue any more. Nobody would do that
// for an end that is closed.
func (t *take) again() {
	if t.e.shut {
		t.keep()
		return
	}
	t.retry = time.Now().Add(tickPeriod)
	t.e.q.doubt()
	t.e.q.l.tickSoon()
}

// arrived takes what came to the take's slot.
func (t *take) arrived(m *nats.Msg) {
	l := t.e.q.l
	if d := l.delivered(m); d != nil {
		if t.left--; !d.known {
			t.came(d)
		}
		if t.left <= 0 || len(t.list) >= t.most {
			t.settled()
			t.nextPrio()
		}
		return
	}
	switch status := m.Header.Get("Status"); status {
	case "404", "408":
		t.settled()
		t.prios = t.prios[1:]
		t.nextPrio()
	case "100":
	default:
		t.settled()
		t.again()
	}
}

// came takes a message. One that its user may not hold goes back, and so do those behind it.
func (t *take) came(d *delivery) {
	l := t.e.q.l
	if t.short == nil {
		t.short = l.pay(d, t.e.uid)
	}
	if t.short != nil {
		l.giveBack(d)
		return
	}
	d.held = time.Now()
	t.list = append(t.list, d)
}

// settled ends the question of the pull: its answer is complete.
func (t *take) settled() {
	l := t.e.q.l
	l.forget(t.q)
	l.giveSlot(t, t.q != nil && t.q.times == 0)
	t.q = nil
}

// pulled is called when there is all that there is. Meanwhile the end may have got what it has waited for in
// line, where it keeps its place.
func (t *take) pulled() {
	t.list, t.e.hand = append(t.list, t.e.hand...), nil
	t.sort()
	switch {
	case t.over:
	case len(t.list) == 0 && t.short != nil:
		t.e.short = t.holds
		t.finish(t.short)
	case len(t.list) == 0:
		t.recheck()
	case t.holds || !t.asked:
		t.keep()
	default:
		t.acknowledge()
	}
}

// keep leaves what came to the end, for a while.
func (t *take) keep() {
	e := t.e
	for _, d := range t.list {
		d.held = time.Now()
	}
	e.hand = append(e.hand, t.list...)
	t.list = nil
	if e.in == t {
		e.in = nil
	}
	t.finish(nil)
	if e.shut {
		hand := e.hand
		e.hand = nil
		for _, d := range hand {
			e.q.l.offer(e.q, d)
		}
		return
	}
	e.q.l.tickSoon()
}

// finish ends the take.
func (t *take) finish(err error) {
	t.over, t.err, t.cut = true, err, false
	if t.e.in == t && (t.holds || len(t.list) == 0 && !t.asked) {
		t.e.in = nil // what came lies with the end
	}
	if err == nil {
		t.e.step()
	}
	if t.told != nil {
		t.told() // it is not armed, and needs no wake
		return
	}
	t.e.fire()
}

// failed ends the take with an error; what has come already stays with the end. A take that loses its
// connection asks again when there is another one; whoever has waited before goes on to wait.
func (t *take) failed(err error) {
	if t.over {
		return
	}
	l := t.e.q.l
	l.forget(t.q)
	t.q = nil
	l.giveSlot(t, false)
	switch {
	case len(t.list) > 0:
		t.keep()
	case err != errDown || t.holds || !t.asked:
		t.finish(err)
	case t.e.turn != 0:
		t.finish(backends.ErrWouldBlock)
	default:
		t.again()
	}
}

// removed is called when the queue is gone. What is being acknowledged nobody else can get any more.
func (t *take) removed() {
	if t.acking {
		t.e.q.l.forget(t.q) // it would be the next queue's, of that name
		t.finish(nil)
		return
	}
	t.e.q.l.release(t.list...)
	t.list = nil
	t.failed(backends.ErrRemoved)
}

func (t *take) tick(now time.Time) {
	if t.cuts(now) {
		t.e.fire()
	}
	if t.retry.IsZero() || !now.After(t.retry) {
		return
	}
	late := now.After(t.due)
	if !late && !t.e.q.l.up {
		return
	}
	t.retry = time.Time{}
	switch {
	case late && !t.e.q.l.up && len(t.list) == 0:
		t.finish(errDown)
	case late:
		t.failed(errTimeout)
	case len(t.prios) > 0:
		t.seek()
	default:
		t.look()
	}
}

// abandon is called when the end is closed: what was received, and nobody came for, is sent again, behind the
// others; what was not goes to whoever comes next.
func (t *take) abandon() {
	q := t.e.q
	switch {
	case t.over:
		for _, d := range t.list {
			if t.err == nil && t.sure {
				q.putBack(d)
			} else {
				q.l.release(d)
			}
		}
		t.list = nil
	case t.acking: // acked comes here again
	default:
		t.asked = false
	}
}
