package sysv

import (
	"slices"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// A Select says which messages of a System V queue are received: those of msgrcv(2)'s msgtyp. Type 0 is
// any; above 0 that type, or with Except any other; below 0 the lowest type up to -Type.
type Select struct {
	Type   int
	Except bool
}

// takes reports whether a message of this type may be received.
func (s Select) takes(typ int) bool {
	switch {
	case s.Type == 0:
		return true
	case s.Type < 0:
		return typ <= -s.Type
	}
	return (typ == s.Type) != s.Except
}

func (s Select) flags() int {
	if s.Except {
		return msgExcept
	}
	return 0
}

// sends is the type of the messages that are sent where these are received: 1 for any; 0 if there is none.
func (s Select) sends() int {
	switch {
	case s.Type == 0:
		return 1
	case s.Type > 0 && !s.Except:
		return s.Type
	}
	return 0
}

// A Queue is an open System V queue with one selection of its messages, shared by all who hold that
// selection open through the daemon, so that they wait in one line. Those who wait for other types wait in
// lines of their own. It is an Endpoint.
type Queue struct {
	q   *openQueue
	sel Select

	// Under q.mu:
	holders int
	want    backends.Ready // what wake is to be called for; 0: nobody waits
	wake    func()
	told    bool // somebody who waited was told that the queue was removed
}

// Open opens a queue with a selection of its messages, ENOENT if there is none with this id. Whether the
// daemon may use the queue shows when it is used.
func (s *Queues) Open(id int, sel Select) (*Queue, error) {
	info, err := s.Stat(id)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.open[id]
	if q == nil || q.removed.Load() || q.made != info.identity() {
		if q != nil {
			q.removed.Store(true)
			if err := s.endUnused(q); err != nil {
				return nil, err
			}
		}
		if s.clock == nil {
			if s.clock, err = newClock(s.poll); err != nil {
				return nil, err
			}
		}
		q = &openQueue{all: s, id: id, made: info.identity(), clock: s.clock, last: info.Attr()}
		s.goOn(q)
		q.resolve()
		s.open[id] = q
		s.opened++
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.ends {
		if m.sel == sel {
			m.holders++
			return m, nil
		}
	}
	m := &Queue{q: q, sel: sel, holders: 1}
	q.ends = append(q.ends, m)
	return m, nil
}

// OpenGone opens a queue that was removed, as its attributes were, for one who had it open in an earlier
// process: all is answered with ErrRemoved.
func (s *Queues) OpenGone(was backends.Attr, sel Select) *Queue {
	q := &openQueue{all: s, id: ID(was), made: was.ID, last: was, closed: true}
	q.removed.Store(true)
	return &Queue{q: q, sel: sel, holders: 1}
}

// Users are the selections of a queue that somebody has open.
func (s *Queues) Users(id int) []*Queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.open[id]
	if q == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.ends)
}

// TryRead is msgrcv(2) into room of any length. An empty message that poll had to take is given first.
// ErrWouldBlock: there is none of the selection. E2BIG: there is one, it is longer than p, and it stays.
func (m *Queue) TryRead(p []byte) (int, backends.Meta, error) { return m.receive(p, nil) }

// receive is TryRead that notes the message on a desk.
func (m *Queue) receive(p []byte, d *backends.Desk) (int, backends.Meta, error) {
	if typ := m.q.takeHeld(m.sel, p, d); typ != 0 {
		return 0, backends.Meta{Type: typ}, nil
	}
	m.q.moves.Lock()
	n, typ, err := m.q.receive(p, m.sel.Type, m.sel.flags())
	if err == nil {
		d.Got(p[:n], backends.Meta{Type: typ})
	}
	m.q.moves.Unlock()
	if err != nil {
		return 0, backends.Meta{}, err
	}
	m.q.moved(backends.Out, 0, m)
	return n, backends.Meta{Type: typ}, nil
}

// Messages is Counted.Messages: those of all types.
func (m *Queue) Messages() (int, error) {
	var d msqid
	err := m.q.stat(&d)
	m.q.mu.Lock()
	defer m.q.mu.Unlock()
	return int(d.qnum) + len(m.q.held), err
}

// TryWrite is msgsnd(2) with the type in meta, or the one that belongs to the selection. EMSGSIZE if p is
// longer than kernel.msgmax or the whole queue, which for msgsnd is a reason to wait for ever.
func (m *Queue) TryWrite(p []byte, meta backends.Meta) (int, error) { return m.write(p, meta, nil) }

// write is TryWrite that notes the message on a desk.
func (m *Queue) write(p []byte, meta backends.Meta, d *backends.Desk) (int, error) {
	typ := meta.Type
	if typ == 0 {
		typ = m.sel.sends()
	}
	if typ <= 0 {
		return 0, unix.EINVAL
	}
	if err := m.q.sendAt(d, p, typ); err != nil {
		return 0, err
	}
	m.q.moved(backends.In, typ, m)
	return len(p), nil
}

// Peek copies the n-th message of the queue, counted from 0, and leaves it there (MSG_COPY). ENOMSG: there
// are not so many.
func (m *Queue) Peek(n int, p []byte) (int, backends.Meta, error) {
	size, typ, err := m.q.receive(p, n, msgCopy)
	if err == backends.ErrWouldBlock {
		err = unix.ENOMSG
	}
	return size, backends.Meta{Type: typ}, err
}

// Unit is kernel.msgmax as it is now. A longer message, from before it was lowered, is received if there is
// room for it.
func (m *Queue) Unit() int {
	info, _, err := msgLimits()
	if err != nil {
		return 0
	}
	return int(info.msgmax)
}

// Ready says In if there is a message of the selection, and Out if there is room for a message of any
// length that fits in the queue at all: how long the next one will be is not known, and a writer told of
// too little room would not wait but turn in circles.
func (m *Queue) Ready() backends.Ready {
	var d msqid
	if m.q.stat(&d) != nil {
		return backends.Err
	}
	var ready backends.Ready
	if m.q.has(m.sel, &d) {
		ready |= backends.In
	}
	longest := min(uintptr(m.Unit()), d.qbytes)
	if m.sel.sends() != 0 && d.qnum < d.qbytes && d.cbytes <= d.qbytes-longest {
		ready |= backends.Out
	}
	return ready
}

// Arm is Waiter.Arm. An end that was told that the queue is gone hears no more of it.
func (m *Queue) Arm(want backends.Ready, wake func()) {
	m.q.mu.Lock()
	defer m.q.mu.Unlock()
	if m.told {
		return
	}
	if m.q.clock == nil { // see OpenGone
		m.told = true
		m.q.all.poll.Soon(wake)
		return
	}
	m.want, m.wake = want, wake
	m.q.watch(want)
}

// take ends the wait and returns the call that wakes, which is made at most once. Somebody waits. The caller
// holds q.mu.
func (m *Queue) take() func() {
	wake := m.wake
	m.want, m.wake, m.told = 0, nil, m.q.removed.Load()
	return wake
}

// Stat is of the queue; one that was removed has no link any more.
func (m *Queue) Stat() (backends.Attr, error) {
	var d msqid
	err := m.q.stat(&d)
	m.q.mu.Lock()
	defer m.q.mu.Unlock()
	if err == nil {
		m.q.last = queueInfo(m.q.id, &d).Attr()
		return m.q.last, nil
	}
	gone := m.q.last
	gone.Nlink, gone.Size = 0, 0
	return gone, nil
}

// EndReaders gives all who read the queue now, with whatever selection, an end of file, once, and wakes
// those who wait.
func (m *Queue) EndReaders() {
	m.q.mu.Lock()
	n := m.q.endsIn()
	m.q.eofs.Add(1)
	n.Store(m.q.eofs.Load())
	m.q.mu.Unlock()
	m.q.wakeAll()
}

// Ends counts the calls of EndReaders.
func (m *Queue) Ends() int64 { return m.q.eofs.Load() }

// Close gives up one hold.
func (m *Queue) Close() error {
	s, q := m.q.all, m.q
	s.mu.Lock()
	defer s.mu.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	if m.holders--; m.holders > 0 {
		return nil
	}
	q.ends = slices.DeleteFunc(q.ends, func(o *Queue) bool { return o == m })
	return s.end(q)
}

// end closes a queue that nobody has open, unless it holds messages that the queue has no room for. The
// caller holds s.mu and q.mu.
func (s *Queues) end(q *openQueue) error {
	if q.closed || len(q.ends) > 0 || !q.giveBack() {
		return nil
	}
	q.close()
	if s.open[q.id] == q {
		delete(s.open, q.id)
	}
	if s.opened--; s.opened > 0 {
		return nil
	}
	clock := s.clock
	s.clock = nil
	return clock.close()
}

// endUnused is end of a queue that was removed, and with it what it held. The caller holds s.mu.
func (s *Queues) endUnused(q *openQueue) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return s.end(q)
}
