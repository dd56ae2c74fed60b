package nats

import (
	"container/list"
	"math"
	"slices"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// An End is an open file of an attached queue. It is an Endpoint whose tries travel: each answers
// ErrUnsettled until the servers' answer is there. Its methods do not block, but Stat and Purge.
type End = end

type end struct {
	q      *queue
	reads  bool // it was opened to be read,
	writes bool // to be written

	// Link.mu guards what follows. Very many may wait: what most do not need is elsewhere.
	stands bool // in the queue's line
	news   bool // something ended, and nobody was armed
	asks   bool // a read waits, so a message is acknowledged when it comes
	shut   bool
	short  bool   // there was a message for a poll, and its user may hold no more: a read says so
	uid    uint32 // who pays for what it holds
	want   backends.Ready
	wake   func()      // nil: nobody waits
	in     *take       // under way, or over and not asked for yet
	out    *sending    // the same
	probe  *probing    // the same
	look   *looking    // the same
	hand   []*delivery // that were given to this end and not received yet
	writer *writer     // nil: it was never written to

	turn         uint64 // in the queue's line; 0: it does not wait for a message
	before, next *end   // there
}

// A writer is what an end has that was written to.
type writer struct {
	room   *list.Element // its place among those who wait for room; nil: none
	unsure *unsure       // what was sent last and may be stored; nil: all is known
	ids    ids           // of its messages
}

// written is what the end has as it was written to.
func (e *end) written() *writer {
	if e.writer == nil {
		e.writer = &writer{}
	}
	return e.writer
}

// enter and leave stand around what is called from outside (Link.leave).
func (e *end) enter() { e.q.l.mu.Lock() }
func (e *end) leave() { e.q.l.leave() }

// fire wakes whoever waits, whatever for.
func (e *end) fire() {
	if e.wake == nil {
		e.news = true
		return
	}
	e.q.l.wakes = append(e.q.l.wakes, e.wake)
	e.wake = nil
}

// TryRead is Port.TryRead.
func (e *end) TryRead(p []byte) (int, backends.Meta, error) {
	msg, m, err := e.TryLend(math.MaxInt)
	return copy(p, msg), m, err
}

// TryLend is Lender.TryLend. most is not heeded: a message that was received is longer than what is asked of
// it only for callers that take many.
func (e *end) TryLend(int) ([]byte, backends.Meta, error) {
	list, err := e.receive(1, 0, 0)
	if err != nil {
		return nil, backends.Meta{}, err
	}
	return list[0].data, list[0].meta(), nil
}

// TryTake is Taker.TryTake.
func (e *end) TryTake(room, each int) ([]backends.Message, error) {
	got, err := e.receive(e.guess(room, each), room, each)
	if err != nil {
		return nil, err
	}
	list := make([]backends.Message, len(got))
	for i, d := range got {
		list[i] = backends.Message{Data: d.data, Meta: d.meta()}
	}
	return list, nil
}

func (d *delivery) meta() backends.Meta { return backends.Meta{Prio: d.prio, Seq: d.seq} }

// maxBatch is how many messages one take asks for.
const maxBatch = 1000

// guess is how many messages will fit, as their like did until now.
func (e *end) guess(room, each int) int {
	e.enter()
	defer e.leave()
	return max(1, min(room/(each+e.q.average()), maxBatch))
}

// receive goes on with a take of at most n messages, or begins it.
func (e *end) receive(n, room, each int) ([]*delivery, error) {
	e.enter()
	defer e.leave()
	t := e.in
	switch {
	case t != nil && t.cut && !t.over:
		t.cut, t.asked = false, false
		return nil, unix.EINTR
	case t != nil:
		t.asked = true
	case e.q.removed:
		return nil, backends.ErrRemoved
	case !e.q.l.up && e.turn != 0:
		return nil, backends.ErrWouldBlock // it waits, and goes on waiting
	case !e.q.l.up:
		return nil, errDown
	default:
		t = e.newTake(n, room, each)
		t.start()
	}
	if !t.over {
		return nil, backends.ErrUnsettled
	}
	e.in = nil
	switch {
	case t.err == backends.ErrWouldBlock:
		e.asks = true
		if e.turn == 0 {
			e.q.turns++
			e.turn = e.q.turns
		}
	case t.err == nil:
		e.asks, e.turn = false, 0
		e.q.taken.Add(int64(len(t.list)), bytesOf(t.list))
	}
	e.q.l.release(t.list...)
	return t.list, t.err
}

// stand takes a place in the queue's line, by the turn that was given.
func (e *end) stand() {
	if e.stands || e.q.removed {
		return
	}
	if e.turn == 0 {
		e.q.turns++
		e.turn = e.q.turns
	}
	e.q.asker = e.uid
	e.q.line.insert(e)
	e.q.wanted()
}

// step leaves the line.
func (e *end) step() {
	if e.stands {
		e.q.line.remove(e)
	}
}

// given gets a message for which this end has waited in line.
func (e *end) given(d *delivery) {
	e.step()
	e.turn = 0
	if !e.asks || e.in != nil {
		e.hand = append(e.hand, d)
		e.q.l.tickSoon()
		e.fire()
		return
	}
	t := e.newTake(1, 0, 0)
	t.list = append(t.list, d)
	t.acknowledge()
}

// TryWrite is Port.TryWrite.
func (e *end) TryWrite(p []byte, m backends.Meta) (int, error) {
	if _, err := e.TrySend([]backends.Message{{Data: p, Meta: m}}); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Unit is Port.Unit: the longest message that may be sent.
func (e *end) Unit() int {
	e.enter()
	defer e.leave()
	return e.q.unit()
}

// Recall is Recaller.Recall. What is on its way is not taken back at once, as a program that gets signals
// faster than a trip takes would never get anything done. If the answer takes longer, as servers elect
// another leader, the try ends without it, and the next one on this file goes on with it.
func (e *end) Recall(dir backends.Ready) bool {
	e.enter()
	defer e.leave()
	now := time.Now()
	if dir == backends.In {
		if t := e.in; t != nil {
			t.cutAt(now)
			e.q.l.tickSoon()
			return false
		}
		if e.look != nil {
			e.look = nil
		}
		e.asks, e.turn = false, 0
		e.step()
		return true
	}
	if s := e.out; s != nil {
		s.cutAt(now)
		e.q.l.tickSoon()
		return false
	}
	e.unroom()
	return true
}

// Ready is Waiter.Ready, as it was known last.
func (e *end) Ready() backends.Ready {
	e.enter()
	defer e.leave()
	return e.ready()
}

func (e *end) ready() (r backends.Ready) {
	if e.reads && (len(e.hand) > 0 || e.short || e.in != nil && e.in.over && e.in.err == nil) {
		r |= backends.In
	}
	switch {
	case e.q.removed:
		r |= backends.Err
	case e.writes && !e.q.full && e.q.l.up:
		r |= backends.Out
	}
	return r
}

// Arm is Waiter.Arm.
func (e *end) Arm(want backends.Ready, wake func()) {
	e.enter()
	defer e.leave()
	e.want, e.wake = want, wake
	e.unprobed()
	if e.due() {
		e.news = false
		e.fire()
		return
	}
	if want&backends.In != 0 && e.in == nil && e.probe == nil && len(e.hand) == 0 && e.reads {
		e.stand()
		if d := e.q.takeAnySpare(); d != nil {
			e.given(d)
		}
	}
	if want&backends.Out != 0 && e.out == nil && e.writes && e.q.full {
		if w := e.written(); w.room == nil {
			w.room = e.q.writers.PushBack(e)
			e.q.hear()
		}
	}
	e.q.l.tickSoon()
}

// due reports whether there is something to tell whoever is armed now, for what they wait for.
func (e *end) due() bool {
	in, out := e.want&backends.In != 0, e.want&backends.Out != 0
	switch {
	case e.news, e.q.removed, out && e.out != nil && (e.out.over || e.out.cut),
		in && (e.in != nil && (e.in.over || e.in.cut) || e.probe != nil && e.probe.done() || e.look != nil && e.look.over):
		return true
	}
	if in && e.in == nil && e.probe == nil && (len(e.hand) > 0 || e.short) {
		return true
	}
	return out && e.out == nil && e.probe == nil && e.ready()&backends.Out != 0
}

// roomy is told that there may be room, for which this end waits.
func (e *end) roomy() {
	e.unroom()
	e.fire()
}

func (e *end) unroom() {
	if w := e.writer; w != nil && w.room != nil {
		e.q.writers.Remove(w.room)
		w.room = nil
	}
}

// gone is told that the queue was removed.
func (e *end) gone() {
	e.step()
	e.unroom()
	e.q.l.release(e.hand...)
	e.hand = nil
	if t := e.in; t != nil && !t.over {
		t.removed()
	}
	if s := e.out; s != nil && !s.over {
		e.q.l.forget(s.q)
		s.finish(backends.ErrRemoved)
	}
	e.fire()
}

// tick looks after what waits for a time.
func (e *end) tick(now time.Time) (busy bool) {
	if t := e.in; t != nil && !t.over {
		t.tick(now)
		busy = true
	}
	if s := e.out; s != nil && !s.over {
		s.tick(now)
		busy = true
	}
	if len(e.hand) == 0 {
		return busy
	}
	e.hand = slices.DeleteFunc(e.hand, func(d *delivery) bool {
		old := now.Sub(d.held) > holdLimit
		switch {
		case old && d.sure:
			e.q.spare = append(e.q.spare, d)
		case old:
			e.q.l.giveBack(d)
		}
		return old
	})
	if len(e.hand) == 0 && e.wake != nil && e.want&backends.In != 0 {
		e.stand()
	}
	return true
}

// Stat is Endpoint.Stat: of an open file only the size and the times count.
func (e *end) Stat() (backends.Attr, error) {
	info, err := e.q.l.info(e.q.stream, false)
	if err == unix.ENOENT || err == nil && idOf(info) != e.q.id {
		return backends.Attr{ID: e.q.id}, nil
	}
	if err != nil {
		return backends.Attr{}, err
	}
	return e.q.l.attr(info), nil
}

// Close is Endpoint.Close. What was given to this end goes to whoever comes next.
func (e *end) Close() error {
	e.enter()
	defer e.leave()
	e.close()
	return nil
}

func (e *end) close() {
	if e.shut {
		return
	}
	e.shut, e.wake = true, nil
	e.step()
	e.unroom()
	hand := e.hand
	e.hand = nil
	for _, d := range hand {
		e.q.give(d)
	}
	if t := e.in; t != nil {
		t.abandon()
	}
	e.q.ended(e)
}
