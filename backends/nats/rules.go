package nats

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// QueueRules are what a queue is asked to be. In Create 0 is the default.
type QueueRules struct {
	MaxMsg, MsgSize int           // messages that fit into it, those on lease included; bytes that fit into a message
	MaxTries        int           // how often a message is lent before it goes to the dead queue; 0: without end
	Priorities      int           // different ones that may be in use at a time
	Replicas        int           // servers that keep it
	Redeliver       time.Duration // after which a message goes to others whose daemon is silent
}

// defaultRules are those of a queue if nobody says more. MaxMsg and MsgSize are those of Linux
// (mq_overview(7)). Redeliver is over twice the longest time that a cluster was seen to take for a new
// leader, so that an acknowledgement that got no answer can be repeated.
var defaultRules = QueueRules{MaxMsg: 10, MsgSize: 8192, Priorities: 16, Replicas: 1, Redeliver: 20 * time.Second}

// or has the rules that are not said be those of others.
func (r QueueRules) or(others QueueRules) QueueRules {
	return QueueRules{
		MaxMsg: cmp.Or(r.MaxMsg, others.MaxMsg), MsgSize: cmp.Or(r.MsgSize, others.MsgSize), MaxTries: r.MaxTries,
		Priorities: cmp.Or(r.Priorities, others.Priorities), Replicas: cmp.Or(r.Replicas, others.Replicas),
		Redeliver: cmp.Or(r.Redeliver, others.Redeliver),
	}
}

// Asked are the options by which people ask for the rules that queues of this machine do not have.
const Asked = "priorities=N replicas=N redeliver=TIME"

// maxPriorities is the most that Priorities may be. Each takes a consumer of the servers'.
const maxPriorities = 64

// Ask sets a rule that Asked names, as people write it.
func (r *QueueRules) Ask(option, value string) (err error) {
	switch option {
	case "priorities":
		r.Priorities, err = within(value, maxPriorities)
	case "replicas":
		r.Replicas, err = within(value, 5)
	case "redeliver":
		wait, e := time.ParseDuration(value)
		if e != nil || wait < time.Second || wait > time.Hour {
			return errors.New("it is a time from 1s to 1h")
		}
		r.Redeliver = wait
	}
	return err
}

// within is a number from 1 to most.
func within(value string, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("it is a number from 1 to %d", most)
	}
	return n, nil
}

// meta are the rules that stand in the metadata of a stream.
func (r QueueRules) meta(meta map[string]string) {
	meta[metaMsgSize], meta[metaTries] = strconv.Itoa(r.MsgSize), strconv.Itoa(r.MaxTries)
	meta[metaPriorities], meta[metaRedeliver] = strconv.Itoa(r.Priorities), r.Redeliver.String()
}

// rulesOf are the rules of the queue of a stream. Where they do not stand there, as no daemon has made it, or
// nobody could have asked for them, messages are taken for redelivered as the attachment says.
func (l *Link) rulesOf(c *streamConfig) QueueRules {
	number := func(key string) int {
		n, _ := strconv.Atoi(c.Metadata[key])
		return max(0, n)
	}
	r := QueueRules{
		MaxMsg: max(1, int(c.MaxMsgs)), MsgSize: number(metaMsgSize), MaxTries: number(metaTries), Replicas: c.Replicas,
	}
	// What is refused is left as it is.
	_ = r.Ask("priorities", c.Metadata[metaPriorities])
	_ = r.Ask("redeliver", c.Metadata[metaRedeliver])
	return r.or(QueueRules{Redeliver: l.c.Rules.Redeliver}).or(defaultRules)
}
