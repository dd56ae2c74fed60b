package nats

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	nats "github.com/nats-io/nats.go"
)

// Many messages go as one stream, where the servers know that (nats-server 2.14, "fast batch publishing" of
// ADR-50): they store each when it comes, none behind one that is missing or that there was no room for, and
// answer with how many are stored. So a queue that is nearly full never gets the third message without the
// second. A batch promises no more here, and costs the servers twice as much: they store it aside first. But
// they write a batch to the disk once, and each message of a stream, if they are to write each before they
// answer (sync_interval), which they tell nobody. So it is looked at how long either takes.

// streamInbox is what the subjects begin with at which streams are answered, followed by the number of the
// question and what the servers want to know of each message.
func streamInbox(inbox string) string { return inbox + "s." }

const streamFlow = 1000 // messages after which the servers tell, at least, what they have stored

// What a message is to a stream.
const (
	streamBegins = iota
	streamGoesOn
	streamEnds
)

// streams reports whether the servers know streams.
func (l *Link) streams() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn != nil && knowStreams(l.conn.ConnectedServerVersion())
}

func knowStreams(version string) bool {
	var major, minor int
	n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor)
	return n == 2 && (major > 2 || major == 2 && minor >= 14)
}

// took is how long a message of many took that went together, lately; 0: that is not known.
type took struct{ stream, batch time.Duration }

const (
	pacedBy    = 16                     // messages that went together at least
	slowStream = 100 * time.Microsecond // a message: less than this batches are not tried
)

// streamsNow reports whether many messages are to go as a stream now.
func (q *queue) streamsNow() bool {
	slow := q.took.stream > slowStream && (q.took.batch == 0 || q.took.batch < q.took.stream)
	return q.streams && !slow
}

// paced notes how long n messages took that went together.
func (s *sending) paced(n int, took *time.Duration) {
	if n >= pacedBy {
		*took = time.Since(s.begun) / time.Duration(n)
	}
}

// stream sends the next n messages together.
func (s *sending) stream(n int) {
	s.away, s.begun = n, time.Now()
	var asked *question
	asked = &question{
		keep: true, patient: true, doubt: s.e.q.doubt, flows: true,
		post: func(at string) { s.postEach(n, at, s.before || asked.times > 0) },
		answer: func(m *nats.Msg, err error) {
			if !s.over {
				s.ended(n, m, err)
			}
		},
	}
	s.ask(asked)
}

// postEach sends a stream, which is another one each time. The servers know messages that they have by their
// ids, and go on behind them.
func (s *sending) postEach(n int, at string, again bool) {
	q := s.e.q
	at += "." + s.e.written().ids.fresh() + "." + strconv.Itoa(streamFlow) + ".fail."
	for i := range n {
		m, what := &s.list[s.n+i], streamGoesOn
		switch i {
		case 0:
			what = streamBegins
		case n - 1:
			what = streamEnds
		}
		msg := nats.Msg{
			Subject: q.subject(m.Meta.Prio), Data: m.Data,
			Header: nats.Header{nats.MsgIdHdr: []string{s.id(s.n + i)}},
			Reply:  at + strconv.Itoa(i+1) + "." + strconv.Itoa(what) + ".$FI",
		}
		if again {
			msg.Header.Set(headerAgain, "1")
		}
		q.l.out.send(parcel{Msg: msg})
	}
}

// streamed takes what the servers say of a stream: how far it is, which is of no interest, or its end. The
// caller holds l.mu.
func (l *Link) streamed(m *nats.Msg) bool {
	rest, ok := strings.CutPrefix(m.Subject, streamInbox(l.inbox))
	if !ok {
		return false
	}
	token, _, _ := strings.Cut(rest, ".")
	number, err := strconv.ParseUint(token, 36, 64)
	q := l.questions[number]
	if err != nil || q == nil {
		return true
	}
	var ack pubAck
	if json.Unmarshal(m.Data, &ack) == nil && ack.Type != "" {
		q.asked = time.Now()
		return true
	}
	l.answered(number, q, m)
	return true
}

// ended takes the answer of a stream.
func (s *sending) ended(n int, m *nats.Msg, err error) {
	var ack pubAck
	if err == nil {
		err = json.Unmarshal(m.Data, &ack)
	}
	code := 0
	if ack.Error != nil {
		code = ack.Error.ErrCode
	}
	switch {
	case err != nil:
		s.failed(err)
	case code == codeStreamsDisabled:
		s.e.q.streams = false
		s.next()
	case code == codeStreamUnknown, code == codeStreamsInflight, ack.Error == nil && ack.Count <= 0:
		s.shrunk = maxShrunk + 1 // one at a time goes always
		s.next()
	case ack.Error != nil:
		s.failed(ack.Error.errno())
	default:
		s.paced(ack.Count, &s.e.q.took.stream)
		s.stored(min(ack.Count, n))
	}
}

// The errors of streams.
const (
	codeStreamsDisabled = 10205
	codeStreamUnknown   = 10208
	codeStreamsInflight = 10211
)
