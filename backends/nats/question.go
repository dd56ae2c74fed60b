package nats

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	nats "github.com/nats-io/nats.go"
)

// A question is a message that is to be answered, once. Link.mu guards it.
type question struct {
	subject string
	header  nats.Header
	body    []byte
	slot    int             // more than 0: it is answered where the take of this slot is (slots.go)
	keep    bool            // it is asked again on another connection, until it is due
	patient bool            // it is also asked again if there is nobody who answers now, and
	doubt   func()          // this is called then, if it is not nil
	post    func(at string) // sends it, to be answered at a subject; nil: it is one message
	most    int             // answers that it has; 0: one
	flows   bool            // it is a stream (stream.go)
	// answer is called once, with l.mu held: m is the answer, or err says why there is none.
	answer func(m *nats.Msg, err error)

	number uint64
	due    time.Time // then it ends with errTimeout
	asked  time.Time // last
	times  int       // it was asked again
	came   int       // answers that came, since it was asked last
}

// ask sends a question, which ends after patience at the latest. errDown: there is no connection, and it is
// not one to keep until there is. The caller holds l.mu.
func (l *Link) ask(q *question, patience time.Duration) error {
	switch {
	case l.closed:
		return errClosed
	case !l.up && !q.keep:
		return errDown
	}
	now := time.Now()
	l.last++
	q.number, q.due, q.asked = l.last, now.Add(patience), now
	l.questions[q.number] = q
	if l.up {
		l.post1(q)
	}
	l.tickSoon()
	return nil
}

func (l *Link) post1(q *question) {
	at := l.inbox + "." + strconv.FormatUint(q.number, 36)
	if q.flows {
		at = streamInbox(l.inbox) + strconv.FormatUint(q.number, 36)
	}
	if q.slot > 0 {
		at = slotSubject(l.inbox, q.slot)
	}
	if q.post != nil {
		q.post(at)
		return
	}
	header := q.header
	if q.times > 0 && header != nil {
		header = maps.Clone(header)
		header.Set(headerAgain, "1")
	}
	l.out.send(parcel{Msg: nats.Msg{Subject: q.subject, Reply: at, Header: header, Data: q.body}})
}

// forget ends the interest in an answer, and it is not asked again; nil: there is none. The caller holds
// l.mu.
func (l *Link) forget(q *question) {
	if q != nil {
		delete(l.questions, q.number)
	}
}

// tell sends what is not answered. The caller holds l.mu.
func (l *Link) tell(subject string, body string) {
	l.out.send(parcel{Msg: nats.Msg{Subject: subject, Data: []byte(body)}})
}

// arrived takes one message. The caller holds l.mu.
func (l *Link) arrived(m *nats.Msg) {
	if slot, ok := l.slotOf(m.Sub.Subject); ok {
		if t := l.slots.busy[slot]; t != nil {
			t.arrived(m)
		} else if d := l.delivered(m); d != nil && !d.known {
			d.q.give(d)
		}
		return
	}
	if l.claims(m) || l.streamed(m) {
		return
	}
	if token, ok := strings.CutPrefix(m.Subject, l.inbox+"."); ok {
		number, err := strconv.ParseUint(token, 36, 64)
		if q := l.questions[number]; err == nil && q != nil {
			l.answered(number, q, m)
			return
		}
		if pull, ok := strings.CutPrefix(token, "p"); ok {
			l.pullEnded(pull, m)
		}
		return
	}
	if d := l.delivered(m); d != nil {
		d.q.arrived(d)
		return
	}
	if l.heardAck(m) {
		return
	}
	l.advised(m)
	for _, f := range l.heard {
		if f(m) {
			return
		}
	}
}

// answered gives a question its answer, or asks again soon if there is nobody to answer.
func (l *Link) answered(number uint64, q *question, m *nats.Msg) {
	err := statusOf(m)
	if q.patient && (err == errNobody || inProcess(m)) {
		q.asked = time.Now().Add(tickPeriod - againPeriod)
		if q.doubt != nil {
			q.doubt()
		}
		return
	}
	if q.came++; q.came < q.most {
		return
	}
	delete(l.questions, number)
	q.answer(m, err)
}

// refused is told of a message that the library does not take.
func (l *Link) refused(m *nats.Msg, err error) {
	if err == nats.ErrReconnectBufExceeded || err == nats.ErrConnectionClosed {
		return // the connection is gone: that is told too
	}
	l.mu.Lock()
	defer l.unlock()
	number, e := strconv.ParseUint(strings.TrimPrefix(m.Reply, l.inbox+"."), 36, 64)
	if q := l.questions[number]; e == nil && q != nil {
		delete(l.questions, number)
		q.answer(nil, engineError(err))
	}
}

// again asks again what was not answered: all, or what was asked a while ago. The caller holds l.mu.
func (l *Link) again(now time.Time, all bool) {
	for _, number := range slices.Collect(maps.Keys(l.questions)) {
		q := l.questions[number]
		switch {
		case q == nil: // it ended with another one
		case now.After(q.due):
			delete(l.questions, number)
			q.answer(nil, errTimeout)
		case l.up && (all || now.Sub(q.asked) > againPeriod):
			q.asked = now
			q.times++
			l.counts.again++
			if q.most > 1 { // what still comes of the last time is not to be counted
				delete(l.questions, number)
				l.last++
				q.number, q.came = l.last, 0
				l.questions[q.number] = q
			}
			l.post1(q)
		}
	}
}

// tickSoon sees to it that tick is called while there is something to look after. The caller holds l.mu.
func (l *Link) tickSoon() {
	if l.ticking || l.closed {
		return
	}
	l.ticking = true
	time.AfterFunc(tickPeriod, l.tick)
}

// later calls f after againPeriod, with l.mu held, unless the link is closed by then.
func (l *Link) later(f func()) {
	time.AfterFunc(againPeriod, func() {
		l.mu.Lock()
		defer l.unlock()
		if !l.closed {
			f()
		}
	})
}

// tick looks after what waits for a time.
func (l *Link) tick() {
	l.mu.Lock()
	defer l.unlock()
	l.ticking = false
	if l.closed {
		return
	}
	now := time.Now()
	l.again(now, false)
	busy := len(l.questions) > 0 || len(l.leases) > 0
	for _, q := range l.queues {
		busy = q.tick(now) || busy
	}
	for lease := range l.leases {
		lease.tick(now)
	}
	if busy {
		l.tickSoon()
	}
}

// request asks, and waits for the answer. It is for workers.
func (l *Link) request(subject string, body []byte) (*nats.Msg, error) {
	return l.put(&question{subject: subject, body: body})
}

// put puts a question and waits for its answer. It is for workers.
func (l *Link) put(q *question) (*nats.Msg, error) {
	type result struct {
		m   *nats.Msg
		err error
	}
	known := make(chan result, 1)
	q.answer = func(m *nats.Msg, err error) { known <- result{m, err} }
	l.mu.Lock()
	err := l.ask(q, l.c.Timeout)
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	r := <-known
	return r.m, r.err
}
