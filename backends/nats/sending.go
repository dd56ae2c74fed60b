package nats

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// maxPrios is how many different priorities of one queue may be in use.
const maxPrios = 16

// maxPrio is the highest priority, as in POSIX queues (mq_overview(7)).
const maxPrio = 1<<15 - 1

// A sending sends messages of an end, one after the other: how many of them there is room for shows when one
// is refused. Each has an id, by which the servers know it when it comes again, as the answer was lost. Link.mu
// guards it.
type sending struct {
	e    *end
	list []backends.Message
	n    int // that are stored
	id   string
	due  time.Time

	asked bool // somebody waits for it
	cutBy time.Time
	cut   bool
	over  bool
	err   error
}

// ids number the messages of an end, by a name that no other end has.
type ids struct {
	prefix string
	last   uint64
	unsure *sent // the last message whose end is not known; nil: none
}

// A sent message may be stored or not.
type sent struct {
	id   string
	msg  backends.Message
	when time.Time
}

// doubleWindow is how long the servers know the id of a message.
const doubleWindow = 2 * time.Minute

func (i *ids) next(m *backends.Message) string {
	if u := i.unsure; u != nil && u.msg.Meta.Prio == m.Meta.Prio && bytes.Equal(u.msg.Data, m.Data) &&
		time.Since(u.when) < doubleWindow {
		i.unsure = nil
		return u.id
	}
	if i.prefix == "" {
		i.prefix = nats.NewInbox()[len("_INBOX."):] + "-"
	}
	i.last++
	return i.prefix + strconv.FormatUint(i.last, 36)
}

// TrySend is Sender.TrySend.
func (e *end) TrySend(list []backends.Message) (int, error) {
	e.enter()
	defer e.leave()
	s := e.out
	if s != nil && !s.asked && !same(s.list, list) {
		if !s.over { // it goes on, and nobody is told
			s.e.ids.unsure = nil
		}
		s.over, s = true, nil
		e.out = nil
	}
	switch {
	case s != nil && s.cut && !s.over:
		s.cut, s.asked = false, false
		return s.n, errCut
	case s != nil:
		s.asked = true
	case e.q.removed:
		return 0, backends.ErrRemoved
	case !e.q.l.up:
		return 0, errDown
	default:
		if err := e.may(&list[0]); err != nil {
			return 0, err
		}
		s = &sending{e: e, asked: true, due: time.Now().Add(e.q.l.c.Timeout)}
		for _, m := range list {
			s.list = append(s.list, backends.Message{Data: bytes.Clone(m.Data), Meta: m.Meta})
		}
		e.out = s
		s.next()
	}
	if !s.over {
		return 0, backends.ErrUnsettled
	}
	e.out = nil
	if s.err == backends.ErrWouldBlock {
		e.q.full = true
	}
	return s.n, s.err
}

func same(a, b []backends.Message) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Meta.Prio != b[i].Meta.Prio || !bytes.Equal(a[i].Data, b[i].Data) {
			return false
		}
	}
	return true
}

// may looks whether a message can be one of the queue's.
func (e *end) may(m *backends.Message) error {
	switch {
	case len(m.Data) > e.q.rules.MsgSize:
		return unix.EMSGSIZE
	case m.Meta.Prio > maxPrio:
		return unix.EINVAL
	}
	return nil
}

// next sends the next message, or ends.
func (s *sending) next() {
	if s.n == len(s.list) {
		s.finish(nil)
		return
	}
	m := &s.list[s.n]
	if err := s.e.may(m); err != nil {
		s.finish(err)
		return
	}
	if !s.e.q.has(m.Meta.Prio) {
		s.open(m.Meta.Prio)
		return
	}
	s.id = s.e.ids.next(m)
	s.publish()
}

// publish sends the message.
func (s *sending) publish() {
	q, m := s.e.q, &s.list[s.n]
	s.ask(&question{
		subject: queueSubject(q.name, m.Meta.Prio), header: nats.Header{nats.MsgIdHdr: []string{s.id}}, body: m.Data,
		keep: true, patient: true, doubt: q.doubt,
		answer: s.answered,
	})
}

func (s *sending) ask(question *question) {
	if _, err := s.e.q.l.ask(question, time.Until(s.due)); err != nil {
		s.finish(err)
	}
}

// answered takes the answer of the server that stores the messages.
func (s *sending) answered(m *nats.Msg, err error) {
	if s.over {
		return
	}
	l := s.e.q.l
	if err == nil {
		var ack struct {
			Duplicate bool      `json:"duplicate"`
			Error     *apiError `json:"error"`
		}
		if err = json.Unmarshal(m.Data, &ack); err == nil && ack.Error != nil {
			err = ack.Error.errno()
		}
		if ack.Duplicate {
			l.counts.duplicates++
		}
	}
	switch err {
	case nil:
		s.n++
		s.e.q.sent++
		s.next()
	case errTimeout, errDown, errClosed:
		s.e.ids.unsure = &sent{s.id, s.list[s.n], time.Now()}
		s.finish(errUnsure)
	default:
		s.finish(err)
	}
}

// open makes the consumer of a priority that was not in use.
func (s *sending) open(prio uint32) {
	q := s.e.q
	if len(q.prios) >= maxPrios {
		s.finish(&backends.Refusal{Err: unix.EINVAL, Why: ManyPrios, Most: maxPrios})
		return
	}
	s.ask(&question{
		subject: q.l.consumerSubject(q.stream, prio), body: encode(q.l.consumer(q.stream, q.name, prio)),
		keep: true, patient: true, doubt: q.doubt,
		answer: func(m *nats.Msg, err error) {
			if s.over {
				return
			}
			if err == nil {
				err = decode(m.Data, nil)
			}
			if err != nil {
				s.finish(err)
				return
			}
			q.used(prio)
			s.next()
		},
	})
}

// finish ends the sending: n messages are stored, and the next one met err.
func (s *sending) finish(err error) {
	s.over, s.err, s.cut = true, err, false
	if err == nil {
		if at := s.e.q.writers.Front(); at != nil {
			s.e.q.room(1) // there may be more
		}
	}
	if !s.asked && s.e.out == s && err != nil {
		s.e.out = nil
	}
	s.e.fire()
}

// cutAt lets whoever waits go after a while.
func (s *sending) cutAt(now time.Time) {
	if s.cutBy.IsZero() {
		s.cutBy = now.Add(cutLimit)
	}
	s.e.q.l.tickSoon()
}

func (s *sending) tick(now time.Time) {
	if !s.cutBy.IsZero() && now.After(s.cutBy) {
		s.cutBy = time.Time{}
		s.cut = true
		s.e.fire()
	}
}

// putBack sends a message again that was received, and that nobody came for.
func (q *queue) putBack(d *delivery) {
	_, _ = q.l.ask(&question{
		subject: queueSubject(q.name, d.prio), body: d.data, keep: true, patient: true,
		header: nats.Header{nats.MsgIdHdr: []string{"back-" + q.stream + "-" + strconv.FormatUint(d.seq, 10)}},
		answer: func(*nats.Msg, error) {},
	}, q.l.c.Redeliver)
}
