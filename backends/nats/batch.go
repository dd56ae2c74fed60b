package nats

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
)

// Many messages go together as one atomic batch (nats-server 2.12, ADR-50): the servers store all or none, in
// order, and answer once. So a queue that is nearly full never gets the third message without the second.

// The headers of a message of a batch.
const (
	headerBatch  = "Nats-Batch-Id"
	headerNumber = "Nats-Batch-Sequence"
	headerCommit = "Nats-Batch-Commit"
)

// The errors of batches.
const (
	codeBatchDisabled   = 10174
	codeBatchIncomplete = 10176
	codeBatchLarge      = 10199
	codeBatchDuplicate  = 10201
	codeBatchInflight   = 10210
)

// maxShrunk is how often room is asked for that others take meanwhile.
const maxShrunk = 3

// together is how many of the messages can go together.
func (s *sending) together() int {
	q := s.e.q
	if q.single || s.shrunk > maxShrunk {
		return 1
	}
	n := 0
	for _, m := range s.list[s.n:min(s.n+maxBatch, len(s.list))] {
		if s.e.may(&m) != nil || !q.has(m.Meta.Prio) || s.most > 0 && n >= s.most {
			break
		}
		n++
	}
	return n
}

// batch sends the next n messages together.
func (s *sending) batch(n int) {
	q := s.e.q
	s.away, s.begun = n, time.Now()
	var asked *question
	asked = &question{
		keep: true, patient: true, doubt: q.doubt,
		post: func(at string) { s.post(n, at, s.before || asked.times > 0) },
		answer: func(m *nats.Msg, err error) {
			if !s.over {
				s.committed(n, m, err)
			}
		},
	}
	s.ask(asked)
}

// post sends a batch, which is another one each time: what arrived of one before is of no use. The messages
// are known by their own ids.
func (s *sending) post(n int, at string, again bool) {
	q, batch := s.e.q, s.e.written().ids.fresh()
	for i := range n {
		m := &s.list[s.n+i]
		msg := nats.Msg{Subject: q.subject(m.Meta.Prio), Data: m.Data, Header: nats.Header{
			nats.MsgIdHdr: []string{s.id(s.n + i)}, headerBatch: []string{batch},
			headerNumber: []string{strconv.Itoa(i + 1)},
		}}
		if again {
			msg.Header.Set(headerAgain, "1")
		}
		if i == n-1 {
			msg.Header.Set(headerCommit, "1")
			msg.Reply = at
		}
		q.l.out.send(parcel{Msg: msg})
	}
}

// committed takes the answer of a batch.
func (s *sending) committed(n int, m *nats.Msg, err error) {
	var ack pubAck
	if err == nil {
		err = json.Unmarshal(m.Data, &ack)
	}
	if err != nil {
		s.failed(err)
		return
	}
	code := 0
	if ack.Error != nil {
		code = ack.Error.ErrCode
	}
	switch code {
	case 0:
		s.paced(n, &s.e.q.took.batch)
		s.stored(n)
	case codeBatchDuplicate: // it came a second time, and the first had no answer
		s.e.q.l.counts.duplicates += int64(n)
		s.stored(n)
	case codeStreamFull:
		s.fit(n)
	case codeBatchDisabled: // the servers are older, or somebody else made the stream
		s.e.q.single = true
		s.next()
	case codeBatchIncomplete, codeBatchLarge, codeBatchInflight:
		s.shrunk = maxShrunk + 1 // one at a time goes always
		s.next()
	default:
		s.failed(ack.Error.errno())
	}
}

// fit finds out how many messages there is room for, after n were too many.
func (s *sending) fit(n int) {
	q := s.e.q
	s.shrunk++
	s.ask(&question{
		subject: api + "STREAM.INFO." + q.stream, keep: true, patient: true, doubt: q.doubt,
		answer: func(m *nats.Msg, err error) {
			var info streamInfo
			if err == nil {
				err = decode(m.Data, &info)
			}
			switch room := int(info.Config.MaxMsgs) - int(info.State.Msgs); {
			case s.over:
			case err != nil:
				s.finish(err)
			case info.Config.MaxMsgs <= 0: // others made the stream, and it is full of bytes
				s.shrunk = maxShrunk + 1
				s.next()
			case room <= 0:
				s.finish(backends.ErrWouldBlock)
			default:
				s.most = min(room, n)
				s.next()
			}
		},
	})
}
