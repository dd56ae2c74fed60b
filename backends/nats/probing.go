package nats

import (
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// A probing finds out what an end is ready for now: whether there is a message, which is kept for it then,
// and whether there is room.
type probing struct {
	take *take // nil: it is over, or nobody may read
	asks int   // questions about room that are not answered
	left bool  // nobody waits for it any more
}

// Probe is Prober.Probe. Without a connection it is what was known last.
func (e *end) Probe() (backends.Ready, error) {
	e.enter()
	defer e.leave()
	e.unprobed()
	p := e.probe
	if p == nil && (e.q.removed || !e.q.l.up) {
		return e.ready(), nil
	}
	if p == nil {
		p = &probing{}
		e.probe = p
		if e.reads && len(e.hand) == 0 && e.in == nil && !e.stands {
			p.take = e.newTake(1, 0, 0)
			p.take.holds = true
			p.take.start()
		}
		if e.writes {
			p.room(e)
		}
	}
	if p.left = false; !p.done() {
		return 0, backends.ErrUnsettled
	}
	e.probe = nil
	return e.ready(), nil
}

// Unprobe tells that nobody waits for an answer of Probe any more. What is on its way goes on to its end.
func (e *end) Unprobe() {
	e.enter()
	defer e.leave()
	if e.probe != nil {
		e.probe.left = true
	}
}

// unprobed forgets a probing that is over and that nobody waits for: else whoever is armed would be told of
// it again and again.
func (e *end) unprobed() {
	if p := e.probe; p != nil && p.left && p.done() {
		e.probe = nil
	}
}

func (p *probing) done() bool { return p.asks == 0 && (p.take == nil || p.take.over) }

func (p *probing) room(e *end) {
	q := e.q
	err := q.l.ask(&question{
		subject: api + "STREAM.INFO." + q.stream,
		answer: func(m *nats.Msg, err error) {
			p.asks--
			var info streamInfo
			if err == nil {
				err = decode(m.Data, &info)
			}
			switch {
			case err == unix.ENOENT, err == nil && idOf(&info) != q.id:
				q.gone()
			case err == nil:
				q.learn(&info)
			default:
				q.doubt()
			}
			if p.done() {
				e.fire()
			}
		},
	}, q.l.c.Timeout)
	if err == nil {
		p.asks++
	}
}

// A looking looks at a message in the queue.
type looking struct {
	seq  uint64
	left int // messages before it
	due  time.Time
	over bool
	data []byte
	prio uint32
	err  error
}

// Peek copies the n-th message, counted from 0, of those that are stored, by priority and then by age. Those
// that are out on lease count. ENOMSG: there are not so many.
func (e *end) Peek(n int, p []byte) (int, backends.Meta, error) {
	e.enter()
	defer e.leave()
	switch {
	case e.look != nil:
	case e.q.removed:
		return 0, backends.Meta{}, backends.ErrRemoved
	case !e.q.l.up:
		return 0, backends.Meta{}, errDown
	default:
		k := &looking{left: n, due: time.Now().Add(e.q.l.c.Timeout)}
		e.look = k
		e.peek(k, e.q.prios)
	}
	k := e.look
	if !k.over {
		return 0, backends.Meta{}, backends.ErrUnsettled
	}
	e.look = nil
	return copy(p, k.data), backends.Meta{Prio: k.prio}, k.err
}

// peek goes on to the next message of the priorities.
func (e *end) peek(k *looking, prios []uint32) {
	q := e.q
	if len(prios) == 0 {
		e.looked(k, unix.ENOMSG)
		return
	}
	err := q.l.ask(&question{
		subject: api + "STREAM.MSG.GET." + q.stream,
		body: encode(map[string]any{
			"seq": k.seq + 1, "next_by_subj": queueSubject(q.name, prios[0]),
		}),
		answer: func(m *nats.Msg, err error) {
			var got struct {
				Message struct {
					Seq  uint64 `json:"seq"`
					Data []byte `json:"data"`
				} `json:"message"`
			}
			if err == nil {
				err = decode(m.Data, &got)
			}
			switch {
			case e.look != k:
			case err == unix.ENOMSG:
				k.seq = 0
				e.peek(k, prios[1:])
			case err != nil:
				e.looked(k, err)
			case k.left == 0:
				k.data, k.prio = got.Message.Data, prios[0]
				e.looked(k, nil)
			default:
				k.left--
				k.seq = got.Message.Seq
				e.peek(k, prios)
			}
		},
	}, time.Until(k.due))
	if err != nil {
		e.looked(k, err)
	}
}

func (e *end) looked(k *looking, err error) {
	k.over, k.err = true, err
	e.fire()
}

// Purge takes all messages away that nobody has. It waits, and is for workers.
func (e *end) Purge() error {
	e.enter()
	q := e.q
	spare := q.spare
	q.spare = nil
	for _, d := range spare {
		q.l.giveBack(d)
	}
	e.leave()
	err := q.l.call("STREAM.PURGE."+q.stream, nil, nil)
	e.enter()
	defer e.leave()
	q.room(q.writers.Len())
	return err
}
