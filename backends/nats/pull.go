package nats

import (
	"slices"
	"strconv"
	"time"

	nats "github.com/nats-io/nats.go"
)

// A pull is a standing request for messages of one priority.
type pull struct {
	number uint64
	prio   uint32
	left   int       // messages that it may still bring
	heard  time.Time // of it, last
	until  time.Time // it waits
}

// The times of pulls.
const (
	pullLimit = 10 * time.Second // then a pull ends, and another one follows
	pullLeast = time.Second
	pullBeat  = 5 * time.Second
	holdLimit = time.Second // how long a message is kept for somebody who does not come for it
)

// wanted has the servers asked for as many messages as there are ends that wait for one, or for fewer if their
// users may hold no more for now (fitting).
func (q *queue) wanted() {
	if q.removed || !q.l.up || q.settling() {
		return
	}
	for _, prio := range q.prios {
		asked, most := 0, q.line.n
		if q.lacks > 0 {
			most = q.fitting()
		}
		for _, p := range q.pulls {
			if p.prio == prio {
				asked += p.left
			}
		}
		if n := most - asked; n > 0 {
			q.pull(prio, n)
		}
	}
}

// pull asks for n messages. All pulls of a while end together, and are one from then on, however many
// programs fell asleep one after the other.
func (q *queue) pull(prio uint32, n int) {
	now := time.Now()
	if q.until.Sub(now) < pullLeast {
		q.until = now.Add(pullLimit)
	}
	q.l.last++
	p := &pull{number: q.l.last, prio: prio, left: n, heard: now, until: q.until}
	q.pulls = append(q.pulls, p)
	ask := pullRequest{Batch: n, Expires: q.until.Sub(now)}
	if ask.Expires >= 2*pullBeat { // the servers refuse it of a shorter one
		ask.Heartbeat = pullBeat
	}
	q.l.out.send(parcel{Msg: nats.Msg{
		Subject: q.next(prio), Reply: q.l.inbox + ".p" + strconv.FormatUint(p.number, 36),
		Data: encode(ask),
	}})
	q.l.tickSoon()
}

// pullEnded is told what the servers say of a pull that waits.
func (l *Link) pullEnded(token string, m *nats.Msg) {
	number, err := strconv.ParseUint(token, 36, 64)
	if err != nil {
		return
	}
	for _, q := range l.queues {
		i := slices.IndexFunc(q.pulls, func(p *pull) bool { return p.number == number })
		if i < 0 {
			continue
		}
		switch status := m.Header.Get("Status"); status {
		case "100":
			q.pulls[i].heard = time.Now()
			return
		case "408":
			over := q.pulls[i].until
			q.pulls = slices.DeleteFunc(q.pulls, func(p *pull) bool { return !p.until.After(over) })
			q.wanted()
		default: // no leader, or none any more: the next tick asks again
			q.pulls = slices.Delete(q.pulls, i, i+1)
			q.doubt()
			l.tickSoon()
		}
		return
	}
}
