package nats

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	nats "github.com/nats-io/nats.go"
)

// A delivery is a message that a server has given to this daemon, and to nobody else until it is acknowledged,
// given back, or its time is over (Config.Redeliver).
type delivery struct {
	q     *queue
	prio  uint32
	seq   uint64 // its number in the stream
	tries int    // how often it was given to anybody
	data  []byte
	ack   string // the subject at which it is acknowledged
	at    time.Time
	held  time.Time // since when it is kept for somebody who has not come for it
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

// delivered is the message of a queue that was pulled; nil if m is something else.
func (l *Link) delivered(m *nats.Msg) *delivery {
	// $JS.ACK.STREAM.CONSUMER.TRIES.SEQ.CSEQ.TIME.PENDING, or with DOMAIN.ACCOUNT before the stream and a
	// token behind
	rest, ok := strings.CutPrefix(m.Reply, "$JS.ACK.")
	if !ok {
		return nil
	}
	if strings.Count(rest, ".") > 6 {
		_, rest, _ = strings.Cut(rest, ".")
		_, rest, _ = strings.Cut(rest, ".")
	}
	stream, rest, _ := strings.Cut(rest, ".")
	consumer, rest, _ := strings.Cut(rest, ".")
	given, rest, _ := strings.Cut(rest, ".")
	number, _, _ := strings.Cut(rest, ".")
	prio, ok := prioOf(consumer)
	tries, err := strconv.Atoi(given)
	seq, e := strconv.ParseUint(number, 10, 64)
	q := l.queues[stream]
	if !ok || err != nil || e != nil {
		return nil
	}
	d := &delivery{q: q, prio: prio, seq: seq, tries: tries, data: m.Data, ack: m.Reply, at: time.Now()}
	if q == nil {
		l.giveBack(d)
		return nil
	}
	return d
}

// What is said of a delivery at its subject.
const (
	ackDone  = "+ACK"
	ackBack  = "-NAK"
	ackGoing = "+WPI"
)

// giveBack has the server give a message to the next who wants one, before newer ones.
func (l *Link) giveBack(d *delivery) { l.tell(d.ack, ackBack) }
