package nats

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// maxPrio is the highest priority, as in POSIX queues (mq_overview(7)).
const maxPrio = 1<<15 - 1

// A sending sends messages of an end in order: one alone, or many together, of which the servers take as many
// as there is room for (stream.go), or all or none (batch.go). Each has an id, by which the servers know it
// when it comes again, as the answer was lost. Link.mu guards it.
type sending struct {
	e *end
	messages
	ids    []string // of each, as far as they were made
	n      int      // that are stored
	before bool     // they were sent by a sending whose end is not known
	due    time.Time
	q      *question // that was asked last
	away   int       // so many went together last, or one

	begun time.Time // that which is under way, of many messages,

	most   int // that may go together, as there is room; 0: that is not known
	shrunk int // how often it was found out that there is less

	asked bool // somebody waits for it
	cutting
	over bool
	err  error
}

// TrySend is Sender.TrySend.
func (e *end) TrySend(list []backends.Message) (int, error) {
	e.enter()
	defer e.leave()
	s := e.out
	if s != nil && !s.asked && !s.are(list) {
		s.over, s = true, nil // it may be stored or not, and nobody asks any more
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
		s = e.sending(list)
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

// sending begins to send messages. If they are those whose end was not known they keep their ids.
func (e *end) sending(list []backends.Message) *sending {
	s := &sending{e: e, asked: true, due: time.Now().Add(e.q.l.c.Timeout)}
	s.copy(list)
	w := e.written()
	if old := w.unsure; old != nil && time.Since(old.when) < doubleWindow && old.sum == sumOf(list) {
		s.ids, s.most, s.before = old.ids, old.away, true // a repetition is known only if it is the same
	}
	w.unsure = nil
	return s
}

// id is the id of the i-th message. No other message has it.
func (s *sending) id(i int) string {
	for len(s.ids) <= i {
		s.ids = append(s.ids, s.e.written().ids.fresh())
	}
	return s.ids[i]
}

// may looks whether a message can be one of the queue's.
func (e *end) may(m *backends.Message) error {
	switch {
	case len(m.Data) > e.q.unit():
		return unix.EMSGSIZE
	case m.Meta.Prio > maxPrio:
		return unix.EINVAL
	}
	return nil
}

// next sends what comes next, or ends.
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
	switch n := s.together(); {
	case !s.e.q.has(m.Meta.Prio):
		s.open(m.Meta.Prio)
	case n > 1 && s.e.q.streamsNow():
		s.stream(n)
	case n > 1:
		s.batch(n)
	default:
		s.publish()
	}
}

// publish sends one message.
func (s *sending) publish() {
	q, m := s.e.q, &s.list[s.n]
	s.away = 1
	header := nats.Header{nats.MsgIdHdr: []string{s.id(s.n)}}
	if s.before {
		header.Set(headerAgain, "1")
	}
	s.ask(&question{
		subject: q.subject(m.Meta.Prio), header: header, body: m.Data,
		keep: true, patient: true, doubt: q.doubt,
		answer: func(m *nats.Msg, err error) {
			if !s.over {
				s.answered(m, err)
			}
		},
	})
}

func (s *sending) ask(question *question) {
	if err := s.e.q.l.ask(question, time.Until(s.due)); err != nil {
		s.finish(err)
		return
	}
	s.q = question
}

// pubAck is the answer of the server that stores messages.
type pubAck struct {
	Duplicate bool      `json:"duplicate"`
	Type      string    `json:"type"`  // of what a stream hears before its end; "": it is the end
	Count     int       `json:"count"` // how many of a stream are stored
	Error     *apiError `json:"error"`
}

// answered takes the answer of one message.
func (s *sending) answered(m *nats.Msg, err error) {
	var ack pubAck
	if err == nil {
		if err = json.Unmarshal(m.Data, &ack); err == nil && ack.Error != nil {
			err = ack.Error.errno()
		}
	}
	if ack.Duplicate {
		s.e.q.l.counts.duplicates++
	}
	if err != nil {
		s.failed(err)
		return
	}
	s.stored(1)
}

// stored goes on after n more messages.
func (s *sending) stored(n int) {
	for _, m := range s.list[s.n : s.n+n] {
		s.e.q.sent.Add(1, int64(len(m.Data)))
	}
	s.n += n
	s.most = 0
	s.next()
}

// failed ends the sending after an error. If nobody answered the messages may be stored all the same.
func (s *sending) failed(err error) {
	switch err {
	case errTimeout, errDown, errClosed:
		s.e.written().unsure = &unsure{sumOf(s.list[s.n:]), s.ids[min(s.n, len(s.ids)):], s.away, time.Now()}
		err = errUnsure
	}
	s.finish(err)
}

// open makes the consumer of a priority that was not in use.
func (s *sending) open(prio uint32) {
	q := s.e.q
	if most := q.rules.Priorities; len(q.prios) >= most {
		s.finish(&backends.Refusal{Err: unix.EINVAL, Why: ManyPrios, Most: int64(most)})
		return
	}
	s.ask(&question{
		subject: q.l.consumerSubject(q.stream, prio), body: encode(consumer(q.stream, q.name, prio, q.rules)),
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
		s.e.q.room(1) // there may be more for those who wait
	}
	if !s.asked && s.e.out == s {
		if s.forget(); err != nil {
			s.e.out = nil
		}
	}
	s.e.fire()
}

func (s *sending) tick(now time.Time) {
	if s.cuts(now) {
		s.e.fire()
	}
}

// putBack sends a message again that was received, and that nobody came for.
func (q *queue) putBack(d *delivery) {
	if q.g != nil {
		q.g.putBack(d)
		return
	}
	err := q.l.ask(&question{
		subject: q.subject(d.prio), body: d.data, keep: true, patient: true,
		header: nats.Header{nats.MsgIdHdr: []string{"back-" + q.stream + "-" + strconv.FormatUint(d.seq, 10)}},
		answer: func(*nats.Msg, error) { q.l.release(d) },
	}, q.rules.Redeliver)
	if err != nil {
		q.l.release(d)
	}
}
