package memqueues

import (
	"bytes"
	"slices"

	"github.com/ipcfs/ipcfs/backends"
)

// An end is an open file of a queue. Each try is a trip to the queue and back.
type end struct {
	q    *queue
	unit int

	// Under Store.mu:
	in, out, probe, look *trip          // under way, or back and not asked for yet; nil: nothing
	known                backends.Ready // what the queue was ready for when that was heard of last
	want                 backends.Ready
	wake                 func() // nil: nobody waits
	armed                int64  // who waits longest has the lowest
	trips                int    // that are under way
	over                 bool   // a trip is, and nobody was told
	reads                bool   // it waits for a message,
	due                  bool   // and was told that it may come for one
}

// A trip is a try that is under way.
type trip struct {
	back bool
	list []message
	n    int
	err  error
}

// open opens the queue. The caller holds Store.mu.
func (q *queue) open() *end {
	e := &end{q: q, unit: q.rules.MsgSize, known: q.ready()}
	q.ends = append(q.ends, e)
	return e
}

// try begins a trip on which f is called at the queue, or returns the one that is under
// way: nil until it is over. The caller holds Store.mu.
func (e *end) try(at **trip, f func(*trip)) *trip {
	t := *at
	if t == nil {
		t = &trip{}
		*at = t
		e.trips++
		e.q.all.link.send(func() { e.arrive(at, t, f) })
	}
	if !t.back {
		return nil
	}
	*at = nil
	return t
}

// arrive is the middle of a trip, unless the file was closed.
func (e *end) arrive(at **trip, t *trip, f func(*trip)) {
	s := e.q.all
	s.mu.Lock()
	defer s.mu.Unlock()
	if *at != t {
		return
	}
	f(t)
	known := e.q.ready()
	s.link.send(func() {
		s.mu.Lock()
		t.back, e.known, e.over = true, known, true
		e.trips--
		s.mu.Unlock()
		e.fire()
	})
}

// fire wakes whoever waits, whatever for.
func (e *end) fire() {
	e.q.all.mu.Lock()
	wake := e.take()
	e.q.all.mu.Unlock()
	wake()
}

// take is whoever is to be woken, at most once. The caller holds Store.mu.
func (e *end) take() func() {
	wake := e.wake
	e.over = e.over && wake == nil
	e.want, e.wake = 0, nil
	if wake == nil {
		return func() {}
	}
	return wake
}

// TryRead is Port.TryRead.
func (e *end) TryRead(p []byte) (int, backends.Meta, error) {
	list, err := e.TryTake(-1, 0)
	if err != nil {
		return 0, backends.Meta{}, err
	}
	return copy(p, list[0].Data), list[0].Meta, nil
}

// TryTake is Taker.TryTake.
func (e *end) TryTake(room, each int) ([]backends.Message, error) {
	e.q.all.mu.Lock()
	defer e.q.all.mu.Unlock()
	t := e.try(&e.in, func(t *trip) { t.list, t.err = e.receive(room, each) })
	if t == nil {
		return nil, backends.ErrUnsettled
	}
	var list []backends.Message
	for _, m := range t.list {
		list = append(list, backends.Message{Data: m.data, Meta: m.meta})
	}
	return list, t.err
}

// receive takes messages at the queue. The caller holds Store.mu.
func (e *end) receive(room, each int) ([]message, error) {
	e.due = false
	list, err := e.q.take(room, each)
	e.reads = err == backends.ErrWouldBlock
	return list, err
}

// leave ends the waiting for a message, and leaves it to others. The caller holds Store.mu.
func (e *end) leave() {
	e.reads = false
	if e.due {
		e.due = false
		e.q.changed()
	}
}

// TryWrite is Port.TryWrite.
func (e *end) TryWrite(p []byte, m backends.Meta) (int, error) {
	if _, err := e.TrySend([]backends.Message{{Data: p, Meta: m}}); err != nil {
		return 0, err
	}
	return len(p), nil
}

// TrySend is Sender.TrySend.
func (e *end) TrySend(list []backends.Message) (int, error) {
	e.q.all.mu.Lock()
	defer e.q.all.mu.Unlock()
	var own []message
	if e.out == nil {
		for _, m := range list {
			own = append(own, message{data: bytes.Clone(m.Data), meta: m.Meta})
		}
	}
	t := e.try(&e.out, func(t *trip) { t.n, t.err = e.q.add(own) })
	if t == nil {
		return 0, backends.ErrUnsettled
	}
	return t.n, t.err
}

// Peek is nodes.Peeker.Peek.
func (e *end) Peek(n int, p []byte) (int, backends.Meta, error) {
	e.q.all.mu.Lock()
	defer e.q.all.mu.Unlock()
	t := e.try(&e.look, func(t *trip) { t.list = slices.Clone(e.q.line[:min(n+1, len(e.q.line))]) })
	switch {
	case t == nil:
		return 0, backends.Meta{}, backends.ErrUnsettled
	case len(t.list) <= n:
		return 0, backends.Meta{}, errNoMessage
	}
	return copy(p, t.list[n].data), t.list[n].meta, nil
}

// Recall is Recaller.Recall. A trip that is on its way is not taken back: a program that gets
// signals faster than a trip takes would never get anything done.
func (e *end) Recall(dir backends.Ready) bool {
	e.q.all.mu.Lock()
	defer e.q.all.mu.Unlock()
	if dir == backends.In && (e.in != nil || e.look != nil) || dir == backends.Out && e.out != nil {
		return false
	}
	if dir == backends.In {
		e.leave()
	}
	return true
}

// Unit is Port.Unit.
func (e *end) Unit() int { return e.unit }

// Ready is Waiter.Ready, as it was known last.
func (e *end) Ready() backends.Ready {
	e.q.all.mu.Lock()
	defer e.q.all.mu.Unlock()
	return e.ready()
}

func (e *end) ready() backends.Ready {
	if e.in != nil && len(e.in.list) > 0 {
		return e.known | backends.In
	}
	return e.known
}

// Probe is Prober.Probe.
func (e *end) Probe() (backends.Ready, error) {
	e.q.all.mu.Lock()
	defer e.q.all.mu.Unlock()
	if e.try(&e.probe, func(*trip) {}) == nil {
		return 0, backends.ErrUnsettled
	}
	return e.ready(), nil
}

// Unprobe is Prober.Unprobe: an answer that is there is no answer to a later question.
func (e *end) Unprobe() {
	e.q.all.mu.Lock()
	defer e.q.all.mu.Unlock()
	if e.probe != nil && e.probe.back {
		e.probe = nil
	}
}

// Arm is Waiter.Arm. The end of a trip wakes in any case; without one the queue is asked whether it is ready
// already.
func (e *end) Arm(want backends.Ready, wake func()) {
	s := e.q.all
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	e.want, e.wake, e.armed = want, wake, int64(s.last)
	switch {
	case e.over:
		s.link.send(e.fire)
	case e.trips == 0:
		s.link.send(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			e.q.changed()
		})
	}
}

// Stat is Endpoint.Stat.
func (e *end) Stat() (a backends.Attr, err error) {
	s := e.q.all
	s.link.ask(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		a = e.q.sized()
	})
	return a, nil
}

// Purge is nodes.Purger.Purge.
func (e *end) Purge() error {
	s := e.q.all
	s.link.ask(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		e.q.line = nil
		e.q.changed()
	})
	return nil
}

// EndReaders is nodes.QueueEnd.EndReaders.
func (e *end) EndReaders() {
	e.q.all.mu.Lock()
	defer e.q.all.mu.Unlock()
	e.q.eofs++
	for _, o := range e.q.ends {
		o.leave()
		e.q.all.link.send(o.fire)
	}
}

// Ends is nodes.QueueEnd.Ends.
func (e *end) Ends() int64 {
	e.q.all.mu.Lock()
	defer e.q.all.mu.Unlock()
	return e.q.eofs
}

// Close is Endpoint.Close. What was received and not asked for goes back.
func (e *end) Close() error {
	s := e.q.all
	s.mu.Lock()
	defer s.mu.Unlock()
	e.q.ends = slices.DeleteFunc(e.q.ends, func(o *end) bool { return o == e })
	e.wake = nil
	e.leave()
	if e.in == nil {
		return nil
	}
	for _, m := range slices.Backward(e.in.list) {
		e.q.putBack(m)
	}
	e.in = nil
	return nil
}
