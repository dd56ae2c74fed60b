package mqueue

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// A Queue is an open POSIX message queue (mq_overview(7)), shared by all who hold it open through the
// daemon, so that they wait in one line. It is an Endpoint.
type Queue struct {
	*backends.Source // of fd

	all     *Queues
	name    string
	ino     uint64
	fd      int // O_NONBLOCK
	access  int // O_RDONLY, O_WRONLY or O_RDWR: what fd allows
	msgsize int
	removed atomic.Bool
	holders int // under all.mu

	pays  backends.Payer // under all.mu; nil: nobody pays for fd
	payer uint32         // who does

	past *past

	kept   uint64          // by this number the descriptor is in the safe; 0: it is not. Under all.mu, as is
	keptAt backends.Record // which says so
}

// past is what the daemon remembers of a queue that the kernel does not. The numbers are in the ledger, if
// there is one.
type past struct {
	ino            uint64
	sent, received *backends.Flow // through the daemon
	// how often a message is handed out before it goes to the dead queue; 0: without end
	tries *atomic.Int64
	born  *atomic.Int64 // when it was made, in nanoseconds since 1970; 0: others made it
	ends  *atomic.Int64 // how often its readers were ended

	traffic traffic

	// Under Queues.mu:
	record  backends.Record
	holders int    // Queues
	uid     uint32 // who pays
	cost    int64  // so many bytes
	gone    bool   // its name is
}

// keep has the numbers be in a ledger, as an earlier process left them at r. Nobody has the queue open.
func (p *past) keep(l *backends.Ledger, r backends.Record) {
	p.record = r
	n := l.Counts(&p.record, backends.PastRecord, p.ino, 7, "")
	flows := backends.Flows(n[:4])
	p.sent, p.received, p.tries, p.born, p.ends = &flows[0], &flows[1], &n[4], &n[5], &n[6]
}

// PrioMax is one more than the highest priority of a message (MQ_PRIO_MAX, mq_overview(7)).
const PrioMax = 32768

// TryRead is mq_receive(3): the oldest of the messages with the highest priority. ErrWouldBlock: there is
// none. ErrRemoved: there is none, and the queue has no name any more.
func (q *Queue) TryRead(p []byte) (int, backends.Meta, error) {
	q.past.traffic.Lock()
	n, m, err := q.receive(p)
	q.past.traffic.Unlock()
	if err == nil {
		q.past.received.Add(1, int64(n))
	}
	return n, m, err
}

// receive is mq_receive(3), which past does not count yet. The caller holds the lock of the traffic.
func (q *Queue) receive(p []byte) (int, backends.Meta, error) {
	var prio uint32
	n, err := mqReceive(q.fd, p, &prio)
	if err != nil {
		return 0, backends.Meta{}, q.explain(err)
	}
	q.past.traffic.there--
	return n, backends.Meta{Prio: prio}, nil
}

// TryWrite is mq_send(3); EMSGSIZE if p is longer than msgsize, ErrWouldBlock if the queue is full,
// ErrRemoved if it has no name any more.
func (q *Queue) TryWrite(p []byte, m backends.Meta) (int, error) {
	if err := q.sendAlone(p, m); err != nil {
		return 0, err
	}
	q.past.sent.Add(1, int64(len(p)))
	return len(p), nil
}

// sendAlone is mq_send(3), which past does not count yet.
func (q *Queue) sendAlone(p []byte, m backends.Meta) error {
	q.past.traffic.Lock()
	defer q.past.traffic.Unlock()
	return q.send(p, m)
}

func (q *Queue) send(p []byte, m backends.Meta) error {
	if q.removed.Load() {
		return backends.ErrRemoved
	}
	if err := mqSend(q.fd, p, m.Prio); err != nil {
		return q.explain(err)
	}
	q.past.traffic.there++
	return nil
}

// Returns is Returner.Returns.
func (q *Queue) Returns() bool { return q.access == unix.O_RDWR }

// TryReturn is Returner.TryReturn. The message counts as not received.
func (q *Queue) TryReturn(p []byte, m backends.Meta) error {
	err := q.sendAlone(p, m)
	if err == nil {
		q.past.received.Add(-1, -int64(len(p)))
	}
	return err
}

func (q *Queue) explain(err error) error {
	switch {
	case err != unix.EAGAIN:
		return err
	case q.removed.Load():
		return backends.ErrRemoved
	}
	return backends.ErrWouldBlock
}

// Unit is mq_msgsize.
func (q *Queue) Unit() int { return q.msgsize }

// Ready is what poll(2) says of the queue, and Err once it was removed.
func (q *Queue) Ready() backends.Ready {
	if q.removed.Load() {
		return backends.Err | backends.PollNow(q.fd, backends.In)
	}
	return backends.PollNow(q.fd, backends.In|backends.Out)
}

// Arm is Waiter.Arm. Of its end the kernel tells nothing, but would wake the poller for each message.
func (q *Queue) Arm(want backends.Ready, wake func()) {
	if want&(backends.In|backends.Out) == 0 {
		q.Await(wake)
		return
	}
	q.Source.Arm(want, wake)
}

// Name is the queue's, without the slash.
func (q *Queue) Name() string { return q.name }

// Stat is fstat(2) of the queue with the bytes pending as its size.
func (q *Queue) Stat() (backends.Attr, error) { return queueAttr(q.fd) }

// Limits are the queue's maxmsg and msgsize, and how many messages it holds now (mq_getattr(3)).
func (q *Queue) Limits() (maxmsg, msgsize, curmsgs int, err error) {
	a, err := mqGetattr(q.fd)
	return a.MaxMsg, a.MsgSize, a.CurMsgs, err
}

// Messages is Counted.Messages.
func (q *Queue) Messages() (int, error) {
	_, _, n, err := q.Limits()
	return n, err
}

// Counts are the messages sent and received through the daemon, since that was started or the queue was made.
// A message that was put back counts as not received.
func (q *Queue) Counts() (sent, received backends.Moved) {
	return q.past.sent.Moved(), q.past.received.Moved()
}

// MaxTries is how often a message is handed out on lease before it goes to the dead queue; 0: without end.
// It is the queue's for as long as the daemon runs.
func (q *Queue) MaxTries() int { return int(q.past.tries.Load()) }

// SetMaxTries sets it.
func (q *Queue) SetMaxTries(n int) { q.past.tries.Store(int64(n)) }

// Born is when the queue was made, zero if that was not through the daemon.
func (q *Queue) Born() time.Time {
	if ns := q.past.born.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// EndReaders gives all who read the queue now an end of file, once, and wakes those who wait.
func (q *Queue) EndReaders() {
	q.past.ends.Add(1)
	q.all.mu.Lock()
	defer q.all.mu.Unlock()
	for key, one := range q.all.open {
		if key.ino == q.ino {
			one.Wake()
		}
	}
}

// Ends counts the calls of EndReaders.
func (q *Queue) Ends() int64 { return q.past.ends.Load() }

// PaidBy has a user pay for the descriptor until it is closed, if nobody does.
func (q *Queue) PaidBy(uid uint32, pays backends.Payer) error {
	q.all.mu.Lock()
	defer q.all.mu.Unlock()
	if q.pays != nil {
		return nil
	}
	if err := pays.Take(uid); err != nil {
		return err
	}
	q.pays, q.payer = pays, uid
	return nil
}

// Close gives up one hold; the last one closes the descriptor, after Resumed if an earlier process left the
// queue: others may go on with it.
func (q *Queue) Close() error {
	q.all.mu.Lock()
	defer q.all.mu.Unlock()
	q.holders--
	if q.holders > 0 || q.all.left[q.ino] != nil {
		return nil
	}
	return q.end()
}

// end closes the descriptor. The caller holds all.mu.
func (q *Queue) end() error {
	delete(q.all.open, queueKey{q.ino, q.access})
	q.Forget()
	q.letKept()
	err := unix.Close(q.fd)
	if q.pays != nil {
		q.pays.Give(q.payer)
	}
	q.all.letPast(q.past)
	return err
}

// owner is the queue's, root's if it cannot be known.
func (q *Queue) owner() uint32 {
	a, _ := backends.Fstat(q.fd)
	return a.Uid
}

// queueAttr stats a queue open at fd. Its size on the mqueue file system is a constant; the bytes pending
// are in the text that reading the descriptor as a file gives: "QSIZE:129 NOTIFY:…" (mq_overview(7)).
func queueAttr(fd int) (backends.Attr, error) {
	a, err := backends.Fstat(fd)
	if err != nil {
		return a, err
	}
	a.Size, a.Blocks = queueBytes(fd, a.Atime), 0
	return a, nil
}

// queueBytes are those pending in a queue that was last received from at atime.
func queueBytes(fd int, atime time.Time) int64 {
	var buf [128]byte
	n, err := unix.Pread(fd, buf[:], 0)
	if err != nil {
		return 0 // a descriptor opened for sending only
	}
	// Having looked is no receiving: the kernel counts it as an access, and so it is taken back.
	_ = backends.Apply(fd, backends.Change{Atime: &atime})
	field, _, _ := strings.Cut(strings.TrimPrefix(string(buf[:n]), "QSIZE:"), " ")
	size, _ := strconv.ParseInt(field, 10, 64)
	return size
}
