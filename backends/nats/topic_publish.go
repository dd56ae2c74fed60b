package nats

import (
	"encoding/json"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// A publishing publishes messages of an end, one after the other, each when the one before is stored. Link.mu
// guards it.
type publishing struct {
	e *TopicEnd
	messages
	n   int // that are stored
	id  string
	due time.Time

	cutBy *time.Timer // then whoever waits is let go
	cut   bool
	left  bool // nobody waits for it
	over  bool
	err   error
}

// topicOverhead is what a topic reckons for a message beside its bytes.
const topicOverhead = 160

// TrySend is Sender.TrySend. ENXIO: nobody reads the topic, and its rules want that.
func (e *TopicEnd) TrySend(list []backends.Message) (int, error) {
	if e.o == nil {
		return 0, unix.EBADF
	}
	e.enter()
	defer e.leave()
	s := e.out
	if s != nil && s.left && !s.are(list) {
		s.e, s = nil, nil // it goes on, and nobody is told
		e.out, e.ids.unsure = nil, nil
	}
	switch {
	case s != nil && s.cut && !s.over:
		s.cut, s.left = false, true
		return s.n, errCut
	case s != nil:
		s.left = false
	case e.o.removed:
		return 0, backends.ErrRemoved
	case !e.o.t.l.up:
		return 0, errDown
	default:
		s = &publishing{e: e, due: time.Now().Add(e.o.t.l.c.Timeout)}
		s.copy(list)
		e.out = s
		s.next(e.o)
	}
	if !s.over {
		return 0, backends.ErrUnsettled
	}
	e.out = nil
	return s.n, s.err
}

// next publishes the next message, or ends.
func (s *publishing) next(o *topic) {
	switch {
	case s.over:
	case s.n == len(s.list):
		s.finish(nil)
	case len(s.list[s.n].Data) > min(backends.MaxMessage, o.rules.Bytes-topicOverhead):
		s.finish(unix.EMSGSIZE)
	case o.rules.NeedReader:
		s.ask(o, &question{subject: topicSubject(readerSubjects, o.path), answer: func(_ *nats.Msg, err error) {
			switch {
			case err == errNobody:
				s.finish(unix.ENXIO)
			case err != nil:
				s.finish(err)
			default:
				s.publish(o)
			}
		}})
	default:
		s.publish(o)
	}
}

func (s *publishing) publish(o *topic) {
	if s.over {
		return
	}
	m := s.list[s.n]
	if s.e != nil {
		s.id = s.e.ids.next(&m)
	}
	s.ask(o, &question{
		subject: topicSubject(topicSubjects, o.path), header: nats.Header{nats.MsgIdHdr: []string{s.id}}, body: m.Data,
		keep: true, patient: true, doubt: o.check,
		answer: func(m *nats.Msg, err error) {
			_, err = storedAs(m, err)
			switch {
			case s.over:
			case err == nil:
				s.n++
				s.next(o)
			case err == errTimeout || err == errDown || err == errClosed:
				if s.e != nil {
					s.e.ids.unsure = &sent{s.id, sumOf(s.list[s.n : s.n+1]), time.Now()}
				}
				s.finish(errUnsure)
			default:
				s.finish(err)
			}
		},
	})
}

// storedAs is the number of a message, by what the server answered to it.
func storedAs(m *nats.Msg, err error) (uint64, error) {
	if err != nil {
		return 0, err
	}
	var ack struct {
		Seq   uint64    `json:"seq"`
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		return 0, engineError(err)
	}
	if ack.Error != nil {
		return 0, ack.Error.errno()
	}
	return ack.Seq, nil
}

func (s *publishing) ask(o *topic, q *question) {
	if err := o.t.l.ask(q, time.Until(s.due)); err != nil {
		s.finish(err)
	}
}

// finish ends it: n messages are stored, and the next one met err.
func (s *publishing) finish(err error) {
	s.over, s.err, s.cut = true, err, false
	if s.cutBy != nil {
		s.cutBy.Stop()
	}
	if s.e == nil {
		return
	}
	if s.left && s.e.out == s {
		if s.forget(); err != nil {
			s.e.out = nil
		}
	}
	s.e.fire()
}

// cutAt lets whoever waits go after a while, who got a signal: the message may be stored.
func (s *publishing) cutAt() {
	if s.cutBy != nil || s.over {
		return
	}
	l := s.e.link()
	s.cutBy = time.AfterFunc(cutLimit, func() {
		l.mu.Lock()
		defer l.unlock()
		if s.cutBy = nil; !s.over && s.e != nil {
			s.cut = true
			s.e.fire()
		}
	})
}
