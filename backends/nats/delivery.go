package nats

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	nats "github.com/nats-io/nats.go"
)

// A delivery is a message that a server has given to this daemon, and to nobody else until it is
// acknowledged, given back, or its time is over (QueueRules.Redeliver).
type delivery struct {
	q      *queue
	prio   uint32
	seq    uint64 // its number in the stream,
	turn   uint64 // and among all that its consumer has given
	behind uint64 // messages that were still to be given then
	tries  int    // how often it was given to anybody
	data   []byte
	ack    string // the subject at which it is acknowledged
	at     time.Time
	stored string // when, as the server tells it
	key    uint64
	again  bool      // it was sent more than once
	known  bool      // somebody has it already
	sure   bool      // it is a group's, and the servers do not know it any more
	held   time.Time // since when it is kept for somebody who has not come for it
	payer  uint32    // the user who pays for it,
	paid   int       // so many bytes; 0: nobody does
}

// bytesOf is how many bytes messages have together.
func bytesOf(list []*delivery) (n int64) {
	for _, d := range list {
		n += int64(len(d.data))
	}
	return n
}

// consumerOf is the name of the consumer of a priority.
func consumerOf(prio uint32) string { return fmt.Sprintf("p%05d", prio) }

func prioOf(consumer string) (uint32, bool) {
	n, ok := strings.CutPrefix(consumer, "p")
	if !ok || len(n) != 5 {
		return 0, false
	}
	prio, err := strconv.ParseUint(n, 10, 32)
	return uint32(prio), err == nil
}

// given is what the subject at which a message is acknowledged says of it:
// $JS.ACK.STREAM.CONSUMER.TRIES.SEQ.CSEQ.TIME.PENDING, or with DOMAIN.ACCOUNT before the stream and a token
// behind.
func given(ack string) (stream, consumer string, d delivery, ok bool) {
	rest, ok := strings.CutPrefix(ack, "$JS.ACK.")
	switch dots := strings.Count(rest, "."); {
	case !ok || dots < 6 || dots == 7:
		return "", "", d, false
	case dots > 7:
		_, rest, _ = strings.Cut(rest, ".")
		_, rest, _ = strings.Cut(rest, ".")
	}
	stream, rest, _ = strings.Cut(rest, ".")
	consumer, rest, _ = strings.Cut(rest, ".")
	tries, rest, _ := strings.Cut(rest, ".")
	number, rest, _ := strings.Cut(rest, ".")
	turn, rest, _ := strings.Cut(rest, ".")
	d.stored, rest, _ = strings.Cut(rest, ".")
	behind, _, _ := strings.Cut(rest, ".")
	d.prio, ok = prioOf(consumer)
	n, err := strconv.ParseUint(tries, 10, 31)
	seq, e := strconv.ParseUint(number, 10, 64)
	d.tries, d.seq = int(n), seq
	d.turn, _ = strconv.ParseUint(turn, 10, 64) // these two only tell
	d.behind, _ = strconv.ParseUint(behind, 10, 64)
	return stream, consumer, d, (ok || strings.HasPrefix(consumer, groupConsumers)) && err == nil && e == nil
}

// delivered is the message of a queue or a group that was pulled; nil if m is something else.
func (l *Link) delivered(m *nats.Msg) *delivery {
	at, consumer, d, ok := given(m.Reply)
	if !ok {
		return nil
	}
	if strings.HasPrefix(consumer, groupConsumers) {
		at = groupAt(at, consumer)
	}
	d.q, d.data, d.ack, d.at = l.queues[at], m.Data, m.Reply, time.Now()
	if d.q == nil {
		l.giveBack(&d)
		return nil
	}
	id := m.Header.Get(nats.MsgIdHdr)
	if id == "" {
		id = strconv.FormatUint(d.seq, 10) + " " + d.stored
	}
	d.key, d.again = d.q.key(id), m.Header.Get(headerAgain) != ""
	if d.known = l.known(&d); d.q.g != nil {
		d.q.g.came(&d, m.Header.Get(headClear))
	}
	return &d
}

// What is said of a delivery at its subject.
const (
	ackDone  = "+ACK"
	ackBack  = "-NAK"
	ackGoing = "+WPI"
)

// giveBack has the server give a message to the next who wants one, before newer ones.
func (l *Link) giveBack(d *delivery) {
	l.release(d)
	l.tell(d.ack, ackBack)
}
