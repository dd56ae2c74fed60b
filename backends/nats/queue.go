package nats

import (
	"container/list"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// A queue is one that somebody has open here: all its ends, and the messages that servers have given to this
// daemon and nobody has come for yet. Link.mu guards it. The members of a group of a topic share one, too.
type queue struct {
	l      *Link
	g      *group // it is the members' of this; nil: of a queue
	name   string
	stream string
	rules  QueueRules
	id     backends.ID
	to     string   // where messages are sent, followed by the priority
	prios  []uint32 // that have a consumer, the highest first

	ends    []*end
	line    line
	turns   uint64 // that were given in the line
	spare   []*delivery
	pulls   []*pull   // that wait at the servers, the oldest first
	until   time.Time // the newest of them waits
	writers list.List
	full    bool // as was heard last
	hears   bool // of each acknowledgement, which makes room
	removed bool
	asker   uint32    // the user who asked for a message last
	lacks   int64     // so many bytes the message takes that went back last, as nobody's user may hold it; 0: none
	lacked  time.Time // when it did
	single  bool      // the servers take no batches
	streams bool      // they take streams
	took    took      // how long either
	doubted bool      // somebody asks whether it is still there
	led     time.Time // another server leads a consumer since then; zero: not since it was opened
	eofs    int64
	sent    backends.Moved
	taken   backends.Moved
	lent    int
	mean    int // bytes of a message
}

// next is the subject at which messages of a priority are asked for.
func (q *queue) next(prio uint32) string {
	return api + "CONSUMER.MSG.NEXT." + q.stream + "." + q.consumer(prio)
}

// consumer is the one that messages of a priority come from.
func (q *queue) consumer(prio uint32) string {
	if q.g != nil {
		return q.g.consumer
	}
	return consumerOf(prio)
}

// at is by what the link knows it.
func (q *queue) at() string {
	if q.g != nil {
		return groupAt(q.stream, q.g.consumer)
	}
	return q.stream
}

// arrived takes a message that a pull brought which waited, or one that nobody waits for any more.
func (q *queue) arrived(d *delivery) {
	for i, p := range q.pulls {
		if p.prio != d.prio {
			continue
		}
		if p.left--; p.left == 0 {
			q.pulls = slices.Delete(q.pulls, i, i+1)
		}
		break
	}
	if d.known {
		q.wanted()
		return
	}
	q.give(d)
}

// give gives a message to the end that waits longest, or keeps it for the next that comes. One that nobody's
// user may hold goes back.
func (q *queue) give(d *delivery) {
	if q.removed {
		q.l.release(d)
		return
	}
	d.held = time.Now()
	if e := q.payer(d); e != nil {
		e.given(d)
		if q.lacks > 0 {
			q.lacks = 0
			q.wanted()
		}
		return
	}
	if q.line.n > 0 || q.l.pay(d, q.asker) != nil {
		q.lacks, q.lacked = d.takes(), time.Now()
		q.l.giveBack(d)
		return
	}
	q.spare = append(q.spare, d)
	q.l.tickSoon()
}

// offer gives a message to whoever has its queue open now, or back to the server.
func (l *Link) offer(q *queue, d *delivery) {
	if now := l.queues[q.at()]; now != nil && now.id == q.id {
		d.q = now
		now.give(d)
		return
	}
	if d.sure {
		q.g.leave(d)
		return
	}
	l.giveBack(d)
}

// takeSpare takes a message of a priority that nobody has come for; nil if there is none.
func (q *queue) takeSpare(prio uint32) *delivery {
	i := slices.IndexFunc(q.spare, func(d *delivery) bool { return d.prio == prio })
	if i < 0 {
		return nil
	}
	d := q.spare[i]
	q.spare = slices.Delete(q.spare, i, i+1)
	return d
}

// tick gives back what nobody has come for, asks anew what was not answered, and has a writer try again. It
// reports whether there is something to look after.
func (q *queue) tick(now time.Time) (busy bool) {
	q.spare = slices.DeleteFunc(q.spare, func(d *delivery) bool {
		old := now.Sub(d.held) > holdLimit && !d.sure
		if old {
			q.l.giveBack(d)
		}
		return old
	})
	q.pulls = slices.DeleteFunc(q.pulls, func(p *pull) bool { return now.Sub(p.heard) > 2*pullBeat+tickPeriod })
	for _, e := range q.ends {
		busy = e.tick(now) || busy
	}
	q.wanted()
	if q.writers.Len() > 0 {
		q.retry()
		q.doubt() // for those who poll
	}
	return busy || len(q.spare)+len(q.pulls)+q.line.n+q.writers.Len() > 0
}

// heal is called when there is a connection again. Whether it is the same queue is asked before anybody gets
// something from it.
func (q *queue) heal() {
	if q.g != nil {
		q.g.settled = false
	}
	q.doubt()
}

// lost is called when the connection is gone. What servers have given may go to others after a while, and is
// known by its subject until then.
func (q *queue) lost() { q.pulls = nil }

// doubt asks whether the queue is still there, and goes on with all that waits if it is. It asks until there
// is an answer: some of those who wait are woken by nothing else.
func (q *queue) doubt() {
	if q.g != nil {
		q.g.doubt()
		return
	}
	if q.doubted || q.removed {
		return
	}
	err := q.l.ask(&question{
		subject: api + "STREAM.INFO." + q.stream, keep: true, patient: true,
		answer: func(m *nats.Msg, err error) {
			q.doubted = false
			if err != nil {
				q.l.later(func() {
					if len(q.ends) > 0 {
						q.doubt()
					}
				})
				return
			}
			var info streamInfo
			switch err := decode(m.Data, &info); {
			case err == unix.ENOENT, err == nil && idOf(&info) != q.id:
				q.gone()
			case err == nil:
				q.learn(&info)
				q.wanted()
				q.retry()
				q.stir()
			}
		},
	}, q.l.c.Timeout)
	q.doubted = err == nil
}

// learn takes up what a server tells of the queue.
func (q *queue) learn(info *streamInfo) {
	q.rules, q.streams = q.l.rulesOf(&info.Config), info.Config.AllowBatchPublish
	q.full = info.State.Msgs >= uint64(q.rules.MaxMsg)
	if q.mean == 0 {
		q.mean = q.rules.MsgSize / 4
	}
}

// stir wakes those who have something to do, as there is a connection again.
func (q *queue) stir() {
	for _, e := range q.ends {
		if e.wake != nil && e.due() {
			e.fire()
		}
	}
}

// unit is the longest message that the queue takes, in bytes: the servers need room for headers.
func (q *queue) unit() int {
	if most := q.l.payload - headerRoom; most > 0 {
		return min(q.rules.MsgSize, most)
	}
	return q.rules.MsgSize
}

// headerRoom is what the headers of a message may take, in bytes.
const headerRoom = 4 << 10

// gone ends all use of a queue that was removed.
func (q *queue) gone() {
	if q.removed {
		return
	}
	q.removed = true
	q.l.release(q.spare...)
	q.spare, q.pulls = nil, nil
	if q.hears {
		q.l.out.send(parcel{Msg: nats.Msg{Subject: q.acks()}, leave: true})
	}
	if q.l.queues[q.at()] == q {
		delete(q.l.queues, q.at())
	}
	for _, e := range q.ends {
		e.gone()
	}
}

// subject is where messages of a priority are sent to the very queue.
func (q *queue) subject(prio uint32) string { return q.to + strconv.FormatUint(uint64(prio), 10) }

// acks is the subject at which the server tells of each acknowledgement.
func (q *queue) acks() string { return "$JS.EVENT.METRIC.CONSUMER.ACK." + q.stream + ".*" }

// room is told that there may be room for n messages: so many of those who wait for that try again.
func (q *queue) room(n int) {
	if q.writers.Len() == 0 || !q.l.up {
		return // those who wait for room wait on until there is a connection again
	}
	q.full = false
	for at := q.writers.Front(); at != nil && n > 0; at = q.writers.Front() {
		at.Value.(*end).roomy()
		n--
	}
}

// retry has the first who waits for room try again, whether or not there is any.
func (q *queue) retry() {
	if at := q.writers.Front(); at != nil && q.l.up {
		at.Value.(*end).roomy()
	}
}

// hear begins to hear of room, for the first who waits for it. Room that was made before is not told, so that
// one tries once more when the server knows that we listen.
func (q *queue) hear() {
	if q.hears {
		return
	}
	q.hears = true
	q.l.out.send(parcel{Msg: nats.Msg{Subject: q.acks()}, listen: true})
	q.retry()
}

// heardAck takes the news of an acknowledgement.
func (l *Link) heardAck(m *nats.Msg) bool {
	rest, ok := strings.CutPrefix(m.Subject, "$JS.EVENT.METRIC.CONSUMER.ACK.")
	if !ok {
		return false
	}
	stream, _, _ := strings.Cut(rest, ".")
	if q := l.queues[stream]; q != nil {
		q.room(1)
		if q.writers.Len() == 0 && q.hears && !q.full {
			q.hears = false
			l.out.send(parcel{Msg: nats.Msg{Subject: q.acks()}, leave: true})
		}
	}
	return true
}

// ended is told that an end was closed.
func (q *queue) ended(e *end) {
	q.ends = slices.DeleteFunc(q.ends, func(o *end) bool { return o == e })
	if len(q.ends) > 0 || q.lent > 0 {
		return
	}
	for _, d := range q.spare {
		if d.sure {
			q.g.leave(d)
		} else {
			q.l.giveBack(d)
		}
	}
	q.spare = nil
	if q.hears {
		q.hears = false
		q.l.out.send(parcel{Msg: nats.Msg{Subject: q.acks()}, leave: true})
	}
	if q.l.queues[q.at()] == q {
		delete(q.l.queues, q.at())
	}
}

// used has a priority looked for from now on.
func (q *queue) used(prio uint32) {
	if slices.Contains(q.prios, prio) {
		return
	}
	q.prios = append(q.prios, prio)
	slices.SortFunc(q.prios, func(a, b uint32) int { return int(b) - int(a) })
	q.wanted()
}

// has reports whether a priority is in use.
func (q *queue) has(prio uint32) bool { return slices.Contains(q.prios, prio) }

// takeAnySpare takes the message of the highest priority of those that nobody has come for; nil if there is
// none.
func (q *queue) takeAnySpare() *delivery {
	for _, prio := range q.prios {
		if d := q.takeSpare(prio); d != nil {
			return d
		}
	}
	return nil
}

// waiting are the priorities of which messages are stored, those on lease included, the highest first.
func (q *queue) waiting(info *streamInfo) (list []uint32) {
	for _, prio := range q.prios {
		if info.State.Subjects[queueSubject(q.name, prio)] > 0 {
			list = append(list, prio)
		}
	}
	return list
}

// averages takes the length of a message into their average, in which the last 16 count most.
func (q *queue) averages(n int) { q.mean += (n - q.mean) / 16 }

// average is how long a message is, as a rule.
func (q *queue) average() int { return q.mean }
