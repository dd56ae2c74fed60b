package nats

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// A Lease is one message that is lent: nobody else gets it while this daemon says, every now and then, that
// work on it goes on. If the daemon dies it goes to the next after QueueRules.Redeliver.
type Lease struct {
	e    *end
	d    *delivery
	told time.Time // when the server was told last that it is still out

	back *returning
	over bool
}

// A returning is a lease on its way back.
type returning struct{ done bool }

// Lease takes a message, and waits for the answers, but not for a message: ErrWouldBlock. It is for workers.
func (s *Queues) Lease(e *End) (*Lease, error) {
	known := make(chan struct{})
	e.enter()
	switch {
	case e.q.removed:
		e.leave()
		return nil, backends.ErrRemoved
	case len(e.hand) > 0:
	case !e.q.l.up:
		e.leave()
		return nil, errDown
	case e.in != nil: // a poll, on whose heels we are
		e.leave()
		return nil, backends.ErrWouldBlock
	}
	var t *take
	if len(e.hand) == 0 {
		t = e.newTake(1, 0, 0)
		t.holds, t.told = true, func() { close(known) }
		t.start()
	} else {
		close(known)
	}
	e.leave()
	<-known
	e.enter()
	defer e.leave()
	e.hand = slices.DeleteFunc(e.hand, e.q.l.knows)
	switch {
	case len(e.hand) > 0:
	case t != nil && t.err != nil:
		return nil, t.err
	default:
		return nil, backends.ErrWouldBlock
	}
	l := &Lease{e: e, d: e.hand[0], told: time.Now()}
	e.hand = e.hand[1:]
	e.q.taken.Add(1, int64(len(l.d.data)))
	e.turn = 0
	l.begin()
	return l, nil
}

// Name is what Resume goes on with.
func (l *Lease) Name() string { return fmt.Sprint(l.d.ack, " ", l.d.key) }

// Resume goes on with a lease of an earlier process, without its message, by Name. It does not wait. When the
// server was told of it last is not known: half of the time that it has is taken to be over.
func (s *Queues) Resume(e *End, name string) (*Lease, error) {
	ack, key, _ := strings.Cut(name, " ")
	_, _, d, ok := given(ack)
	n, err := strconv.ParseUint(key, 10, 64)
	if !ok || err != nil {
		return nil, unix.EINVAL
	}
	e.enter()
	defer e.leave()
	d.q, d.ack, d.key, d.at = e.q, ack, n, time.Now()
	l := &Lease{e: e, d: &d, told: time.Now().Add(-e.q.rules.Redeliver / 2)}
	l.begin()
	return l, nil
}

// begin has the server told of the lease, until its end. Link.mu is held.
func (l *Lease) begin() {
	q := l.e.q
	q.lent++
	q.l.leases[l] = struct{}{}
	q.l.fates.set(l.d.key, held)
	q.l.tickSoon()
}

// Message is the message.
func (l *Lease) Message() ([]byte, backends.Meta) { return l.d.data, l.d.meta() }

// Spent reports whether it was lent more often than its queue allows, this time included.
func (l *Lease) Spent() bool {
	l.e.enter()
	defer l.e.leave()
	limit := l.e.q.rules.MaxTries
	return limit > 0 && l.d.tries > limit
}

// Record has nothing to do: it is the server that lends.
func (*Lease) Record() error { return nil }

// late reports whether the server has not heard of the lease for so long that somebody else may have the
// message. Link.mu is held.
func (l *Lease) late() bool { return time.Since(l.told) > l.e.q.rules.Redeliver }

// hold tells the server that the message is still out. Link.mu is held.
func (l *Lease) hold() {
	if l.late() || !l.e.q.l.up {
		return
	}
	l.told = time.Now()
	l.e.q.l.tell(l.d.ack, ackGoing)
}

// tick is hold, if that is due.
func (l *Lease) tick(now time.Time) {
	if l.back == nil && now.Sub(l.told) > l.e.q.rules.Redeliver/3 {
		l.hold()
	}
}

// end ends the lease. Link.mu is held.
func (l *Lease) end() {
	if l.over {
		return
	}
	l.over = true
	q := l.e.q
	delete(q.l.leases, l)
	q.l.fates.set(l.d.key, unknown)
	q.l.release(l.d)
	q.lent--
	q.ended(nil)
}

// Done has the server forget the message. It waits for that, and is for workers. After an error it may come
// again.
func (l *Lease) Done() error {
	known := make(chan error, 1)
	q := l.e.q
	l.e.enter()
	if q.removed || l.late() {
		var err error
		if !q.removed {
			err = l.again()
		}
		l.end()
		l.e.leave()
		return err
	}
	err := q.l.ask(&question{
		subject: l.d.ack, body: []byte(ackDone), keep: true, patient: true, doubt: q.doubt,
		answer: func(_ *nats.Msg, err error) { known <- err },
	}, q.rules.Redeliver*2/3)
	l.e.leave()
	if err == nil {
		err = <-known
	}
	l.e.enter()
	defer l.e.leave()
	l.end()
	if err == nil {
		q.l.fates.set(l.d.key, taken)
		q.room(1)
	}
	if err != nil && !q.removed {
		return l.again()
	}
	return nil
}

// again says that the message may come again.
func (l *Lease) again() error {
	return &backends.Refusal{Err: unix.EIO, Why: MayCome, Name: l.e.q.name, Value: int64(l.d.seq)}
}

// Return gives the message back: the next who asks gets it, before newer ones. ErrUnsettled: it is to be
// called again when the end is ready to be written.
func (l *Lease) Return() error {
	l.e.enter()
	defer l.e.leave()
	q := l.e.q
	switch {
	case q.removed:
		l.end()
		return backends.ErrRemoved
	case l.back == nil:
		r := &returning{}
		l.back = r
		err := q.l.ask(&question{
			subject: l.d.ack, body: []byte(ackBack),
			answer: func(_ *nats.Msg, err error) {
				r.done = true // else it comes back by itself, when its time is over
				l.e.fire()
			},
		}, q.l.c.Timeout)
		if err != nil {
			l.end()
			return nil
		}
	}
	if !l.back.done {
		return backends.ErrUnsettled
	}
	l.end()
	return nil
}
