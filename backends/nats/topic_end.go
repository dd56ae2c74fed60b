package nats

import (
	"math"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// A TopicEnd is an open file of an attached topic, or what a member of a group publishes by. What it reads
// lies here already; what it writes travels: a try answers ErrUnsettled until the servers' answer is there.
// Its methods do not block.
type TopicEnd struct {
	o    *topic            // nil: all topics below a directory
	all  *all              // which
	read backends.Endpoint // nil: it only writes
	g    *group            // of which it is a member

	// Link.mu guards what follows.
	writes, follows, counts bool
	wake                    func()
	news                    bool        // something ended, and nobody was armed
	out                     *publishing // under way, or over and not asked for yet
	ids                     ids
}

func (e *TopicEnd) link() *Link {
	if e.o != nil {
		return e.o.t.l
	}
	return e.all.t.l
}

// enter and leave stand around what is called from outside (Link.leave).
func (e *TopicEnd) enter() { e.link().mu.Lock() }
func (e *TopicEnd) leave() { e.link().leave() }

// fire wakes whoever waits, whatever for.
func (e *TopicEnd) fire() {
	if e.wake == nil {
		e.news = true
		return
	}
	l := e.link()
	l.wakes = append(l.wakes, e.wake)
	e.wake = nil
}

// TryRead is Port.TryRead.
func (e *TopicEnd) TryRead(p []byte) (int, backends.Meta, error) {
	if err := e.mayRead(); err != nil {
		return 0, backends.Meta{}, err
	}
	return e.read.TryRead(p)
}

// mayRead refuses what is not to be read: the value there is cannot be told without a connection.
func (e *TopicEnd) mayRead() error {
	if e.read == nil {
		return unix.EBADF
	}
	e.enter()
	defer e.leave()
	if e.o != nil && !e.counts && !e.o.t.l.up {
		return errDown
	}
	return nil
}

// TryLend is Lender.TryLend.
func (e *TopicEnd) TryLend(most int) ([]byte, backends.Meta, error) {
	if err := e.mayRead(); err != nil {
		return nil, backends.Meta{}, err
	}
	if lender, ok := e.read.(backends.Lender); ok {
		return lender.TryLend(most)
	}
	p := make([]byte, e.read.Unit())
	n, m, err := e.read.TryRead(p)
	return p[:n], m, err
}

// TryWrite publishes a message.
func (e *TopicEnd) TryWrite(p []byte, m backends.Meta) (int, error) {
	if _, err := e.TrySend([]backends.Message{{Data: p, Meta: m}}); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Unit is that of what it reads; of what it writes MaxMessage.
func (e *TopicEnd) Unit() int {
	if e.read != nil {
		return e.read.Unit()
	}
	return backends.MaxMessage
}

// Recall is Recaller.Recall. A message that is on its way is not taken back.
func (e *TopicEnd) Recall(dir backends.Ready) bool {
	e.enter()
	defer e.leave()
	if dir == backends.In || e.out == nil {
		return true
	}
	e.out.cutAt()
	return false
}

// Ready is Waiter.Ready. To publish never waits for readers.
func (e *TopicEnd) Ready() (r backends.Ready) {
	if e.read != nil {
		r = e.read.Ready() &^ backends.Out
	}
	e.enter()
	defer e.leave()
	return r | e.ready()
}

func (e *TopicEnd) ready() backends.Ready {
	switch {
	case e.o != nil && e.o.removed:
		return backends.Err
	case e.writes:
		return backends.Out
	}
	return 0
}

// Arm is Waiter.Arm.
func (e *TopicEnd) Arm(want backends.Ready, wake func()) {
	e.enter()
	e.wake = wake
	if e.news || e.ready()&(want|backends.Err) != 0 && (e.out == nil || e.out.over) {
		e.news = false
		e.fire()
	}
	e.leave()
	if want &^= backends.Out; e.read != nil && want != 0 {
		e.read.Arm(want, e.woken)
	}
}

// woken is called when there is something to read, or nothing more to come.
func (e *TopicEnd) woken() {
	l := e.link()
	l.mu.Lock()
	defer l.unlock()
	if e.wake != nil {
		e.fire()
	}
}

// Stat is that of what it reads, else that of the topic, as it was found.
func (e *TopicEnd) Stat() (backends.Attr, error) {
	if e.read != nil {
		return e.read.Stat()
	}
	e.enter()
	defer e.leave()
	a := e.o.attr
	if e.o.removed {
		a.Nlink = 0
	}
	return a, nil
}

// Reads is what it reads; nil: nothing.
func (e *TopicEnd) Reads() backends.Endpoint { return e.read }

// Close ends it. A message that is on its way goes on.
func (e *TopicEnd) Close() error {
	e.enter()
	e.wake = nil
	e.leave()
	var err error
	if e.read != nil {
		err = e.read.Close()
	}
	e.enter()
	defer e.leave()
	if e.o == nil {
		delete(e.all.open, e)
		e.all.leave()
		return err
	}
	delete(e.o.ends, e)
	if e.counts {
		e.o.counts(-1)
	}
	if e.follows {
		e.o.unfollow()
	}
	e.o.forget()
	return err
}

// Place is Placer.Place.
func (e *TopicEnd) Place() backends.Place {
	if p, ok := e.read.(backends.Placer); ok {
		return p.Place()
	}
	return backends.Place{Next: math.MaxUint64}
}

// Resume is Placer.Resume.
func (e *TopicEnd) Resume(at backends.Place) {
	if p, ok := e.read.(backends.Placer); ok {
		p.Resume(at)
	}
}
