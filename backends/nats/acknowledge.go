package nats

import (
	"cmp"
	"slices"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// acknowledge tells the servers that the messages are received, but for those that they know of. What does
// not fit stays with the end.
func (t *take) acknowledge() {
	if t.room > 0 {
		t.fit()
	}
	q := t.e.q
	t.list = slices.DeleteFunc(t.list, q.l.knows) // others may have claimed what came a while ago
	if len(t.list) == 0 {
		t.pulled()
		return
	}
	var news []*delivery
	for _, d := range t.list {
		q.averages(len(d.data))
		if !d.sure {
			q.l.fates.set(d.key, held)
			news = append(news, d)
		}
	}
	if len(news) == 0 {
		t.received()
		return
	}
	t.acking = true
	t.q = &question{
		keep: true, patient: true, doubt: q.doubt, most: len(news),
		post: func(at string) {
			if t.q.times > 0 {
				q.remind(news)
			}
			for _, d := range news {
				q.l.out.send(parcel{Msg: nats.Msg{Subject: d.ack, Reply: at, Data: []byte(ackDone)}})
			}
		},
		answer: func(_ *nats.Msg, err error) { t.acked(err) },
	}
	if err := q.l.ask(t.q, time.Until(news[0].at.Add(q.rules.Redeliver))); err != nil {
		t.acked(err)
	}
}

// remind asks for as many messages as are being acknowledged. A server that forgot that it gave them heeds no
// acknowledgement before it gives them again; they are known here then. What else comes is kept for others.
func (q *queue) remind(list []*delivery) {
	count := map[uint32]int{}
	for _, d := range list {
		count[d.prio]++
	}
	for prio, n := range count {
		q.l.out.send(parcel{Msg: nats.Msg{
			Subject: q.next(prio), Reply: q.l.inbox + ".p0", Data: encode(pullRequest{Batch: n, NoWait: true}),
		}})
	}
}

// fit keeps those messages for the next read that do not fit into this one.
func (t *take) fit() {
	room := t.room
	for i, d := range t.list {
		if room -= t.each + len(d.data); room < 0 && i > 0 {
			t.e.hand = append(slices.Clone(t.list[i:]), t.e.hand...)
			t.list = t.list[:i]
			t.e.q.l.tickSoon()
			return
		}
	}
}

// acked is called when all acknowledgements are answered. If they are not, until others may get the messages,
// nobody here does.
func (t *take) acked(err error) {
	if t.over {
		return
	}
	q, again := t.e.q, t.q.times > 0
	t.q = nil
	switch {
	case q.removed:
	case err != nil:
		var sure []*delivery
		var may int64
		for _, d := range t.list {
			if d.sure {
				sure = append(sure, d)
				continue
			}
			if q.l.fates.of(d.key) != yielded {
				q.l.fates.set(d.key, unknown)
			}
			q.l.release(d)
			may = cmp.Or(may, int64(d.seq))
		}
		t.acking, t.list = false, nil
		t.finish(&backends.Refusal{Err: unix.EIO, Why: MayCome, Name: q.name, Value: may})
		for _, d := range sure {
			q.l.offer(q, d)
		}
		return
	case t.doubtful(again):
		t.claim()
		return
	}
	t.received()
}

// received ends a take whose messages are acknowledged, but for those that somebody else has received.
func (t *take) received() {
	q := t.e.q
	q.room(len(t.list))
	t.list = slices.DeleteFunc(t.list, func(d *delivery) bool {
		if d.sure {
			return false
		}
		if q.l.fates.of(d.key) == yielded {
			q.l.release(d)
			return true
		}
		q.l.fates.set(d.key, taken)
		if q.g != nil {
			q.g.share.took(q.l, d)
		}
		return false
	})
	if t.acking = false; len(t.list) == 0 {
		t.due = time.Now().Add(q.l.c.Timeout)
		t.pulled()
		return
	}
	t.sure = true
	t.finish(nil)
	if t.e.shut {
		t.abandon()
	}
}
