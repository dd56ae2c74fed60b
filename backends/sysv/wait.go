package sysv

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// An openQueue is a System V queue that somebody has open, and how those who wait for it learn that it
// changed.
//
// No event of the kernel's says so: a queue has no descriptor, mq_notify(3) is for POSIX queues,
// /proc/sysvipc/msg is ready for poll(2) at all times, inotify(7) and io_uring know nothing of msgsnd(2).
// Two things come near and were tried on Linux 6.18. A msgrcv(2) with a buffer of no bytes sleeps until a
// message of its type comes and then gets E2BIG, while the message stays; but that is a thread for each
// selection somebody waits for, and an empty message it takes. The tracepoint sys_exit_msgsnd can be polled
// as a perf event (perf_event_open(2)) and tells within 0.3 ms; but that takes CAP_PERFMON outside all user
// namespaces, and makes each msgsnd and msgrcv of the whole machine slower.
//
// So while somebody waits, and only then, a clock has the queue looked at: one msgctl(2), and the tries of
// those for whom there may be something. What goes through the mount wakes those who wait at once (moved).
// What native programs do is seen at the next look, which comes after a quarter of the time that the queue
// was quiet, but not before soonest nor after latest: whoever waits for the answer to a question just asked
// hears of it soon, and a queue nobody uses costs a hundred looks a second. docs/sysv.md has what was
// measured.
type openQueue struct {
	all     *Queues
	id      int
	made    backends.ID // which queue of that id it is
	clock   *clock
	removed atomic.Bool
	sure    atomic.Int64 // when it was last seen to be that one: a time of the clock
	eofs    atomic.Int64 // how often the readers were ended

	moves sync.Mutex // a message moves, until that is noted; taken before mu

	mu      sync.Mutex
	ended   backends.Record // of that in the ledger, once they were
	ends    []*Queue
	held    []int           // the types of empty messages that has took
	keeps   backends.Record // of those in the ledger
	last    backends.Attr   // as it was seen last
	running bool            // it is on the clock's schedule, or look is at work
	seldom  bool            // all who wait do so for its end alone
	seen    msqid           // as look saw it last
	moving  time.Time       // when something was last seen to move
	closed  bool
}

// close takes the queue off the clock. The caller holds q.mu.
func (q *openQueue) close() {
	q.closed = true
	q.clock.forget(q)
	q.all.ledger.Drop(&q.ended)
}

// watch has the queue looked at until nobody waits any more. The caller holds q.mu.
func (q *openQueue) watch(want backends.Ready) {
	if seldom := !moves(want); !q.running || q.seldom && !seldom {
		q.running, q.seldom, q.moving = true, seldom, time.Now()
		q.clock.schedule(q, 0)
	}
}

// moves reports whether somebody waits for messages or room, not only for the end of the queue.
func moves(want backends.Ready) bool { return want&(backends.In|backends.Out) != 0 }

// look wakes those for whom there may be something. It runs on the poller's goroutine.
func (q *openQueue) look() {
	var d msqid
	gone := q.stat(&d) != nil
	q.mu.Lock()
	if d != q.seen {
		q.seen, q.moving = d, time.Now()
	}
	var wakes []func()
	for _, m := range q.ends {
		in := m.want&backends.In != 0 && (d.qnum > 0 || len(q.held) > 0)
		out := m.want&backends.Out != 0 && d.qnum < d.qbytes && d.cbytes < d.qbytes
		if in || out || gone && m.want != 0 {
			wakes = append(wakes, m.take())
		}
	}
	q.mu.Unlock()
	for _, wake := range wakes {
		wake()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running = !q.closed && slices.ContainsFunc(q.ends, func(m *Queue) bool { return m.want != 0 })
	q.seldom = !slices.ContainsFunc(q.ends, func(m *Queue) bool { return moves(m.want) })
	if q.running {
		q.clock.schedule(q, time.Since(q.moving))
	}
}

// moved is called when a message of this type was sent (In) or one was received (Out) by the end by. It
// wakes those at other ends who wait for that. Whoever waits at the same end is served by the caller.
func (q *openQueue) moved(now backends.Ready, typ int, by *Queue) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.moving = time.Now()
	for _, m := range q.ends {
		if m != by && m.want&now != 0 && (now == backends.Out || m.sel.takes(typ)) {
			q.all.poll.Soon(m.take())
		}
	}
}

// wakeAll wakes everybody who waits.
func (q *openQueue) wakeAll() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.ends {
		if m.want != 0 {
			q.all.poll.Soon(m.take())
		}
	}
}

// stat is msgctl(2) with MSG_STAT_ANY; ErrRemoved once the queue is gone.
func (q *openQueue) stat(d *msqid) error {
	if q.removed.Load() {
		return backends.ErrRemoved
	}
	if err := statQueue(q.id, d); err != nil || objectOf(q.id, &d.perm).identity() != q.made {
		q.removed.Store(true)
		return backends.ErrRemoved
	}
	q.sure.Store(int64(time.Since(q.clock.start)))
	return nil
}

// sureFor is how long a queue is taken for the one that it was seen to be. The kernel takes a thousand times
// as long to come by the same id again.
const sureFor = time.Millisecond

// still is ErrRemoved if the queue is gone, as far as that was seen in the last moments.
func (q *openQueue) still() error {
	if !q.removed.Load() && time.Since(q.clock.start)-time.Duration(q.sure.Load()) < sureFor {
		return nil
	}
	var d msqid
	err := q.stat(&d)
	if err != nil {
		q.wakeAll()
	}
	return err
}

// receive is msgrcv(2) into p: ErrWouldBlock if there is no such message, E2BIG if there is but p is too
// short for it.
func (q *openQueue) receive(p []byte, typ, flags int) (n, got int, err error) {
	if err := q.still(); err != nil {
		return 0, 0, err
	}
	b := q.all.buffers.Get().(*[]byte)
	defer q.all.buffers.Put(b)
	most := longSize + len(p)
	for {
		n, err = msgrcv(q.id, (*b)[:min(most, len(*b))], typ, flags)
		if err != unix.E2BIG || len(*b) >= most {
			break
		}
		*b = make([]byte, min(2*len(*b), most))
	}
	switch err {
	case nil:
		return copy(p, (*b)[longSize:longSize+n]), *msgType(*b), nil
	case unix.ENOMSG:
		err = backends.ErrWouldBlock
	case unix.EINVAL, unix.EIDRM:
		err = q.lost(err)
	}
	return 0, 0, err
}

// number is that of the queue for desks, which no queue of another kind has.
func (q *openQueue) number() uint64 { return 1<<63 | uint64(q.id) }

// resolve has what an earlier process was about to send be noted, if it was sent: the queue has more messages than
// then. It is called before anybody else moves one.
func (q *openQueue) resolve() {
	q.all.ledger.Resolve(q.number(), func(queued int, _ uint32) bool {
		var now msqid
		return q.stat(&now) == nil && int(now.qnum) > queued
	})
}

// sendAt is send that notes the message at a desk.
func (q *openQueue) sendAt(d *backends.Desk, p []byte, typ int) error {
	q.moves.Lock()
	defer q.moves.Unlock()
	if d == nil {
		return q.send(p, typ)
	}
	var now msqid
	if q.stat(&now) == nil {
		d.SendsTo(q.number(), len(p), int(now.qnum), 0)
	}
	backends.Point("sending")
	if err := q.send(p, typ); err != nil {
		d.NotSent()
		return err
	}
	backends.Point("sent")
	d.Sent(len(p))
	backends.Point("noted sent")
	return nil
}

// send is msgsnd(2).
func (q *openQueue) send(p []byte, typ int) error {
	if err := q.still(); err != nil {
		return err
	}
	b := q.all.buffers.Get().(*[]byte)
	defer q.all.buffers.Put(b)
	if size := longSize + len(p); size > len(*b) {
		*b = make([]byte, size)
	}
	*msgType(*b) = typ
	err := msgsnd(q.id, (*b)[:longSize+copy((*b)[longSize:], p)])
	switch err {
	case unix.EAGAIN:
		var d msqid
		if q.stat(&d) == nil && uintptr(len(p)) > d.qbytes {
			return unix.EMSGSIZE
		}
		return backends.ErrWouldBlock
	case unix.EINVAL, unix.EIDRM:
		if info, _, e := msgLimits(); e == nil && len(p) > int(info.msgmax) {
			return unix.EMSGSIZE
		}
		return q.lost(err)
	}
	return err
}

// lost is what an error of msgop(2) means that is EIDRM, or EINVAL, as a removed queue gives too.
func (q *openQueue) lost(err error) error {
	var d msqid
	if q.stat(&d) != nil {
		q.wakeAll()
		return backends.ErrRemoved
	}
	return err
}
