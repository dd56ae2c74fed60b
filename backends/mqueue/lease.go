package mqueue

import (
	"bytes"
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// Leases are the messages that were taken from queues and are not done yet. Each is written to a file
// before it is handed out, so that one whose worker or whose daemon dies can go back to its queue. The user
// who takes a message pays for it. Safe for concurrent use.
type Leases struct {
	// records that Recover leaves to Resume: the files that took the messages go on; nil: all files ended
	Held  map[string]bool
	Work  *backends.Workers // if not nil, they take away the records of messages that went back to their queue
	Bytes *backends.Budget  // what each user has out, in bytes of memory
	// what another process goes on from; nil: there is none
	Ledger *backends.Ledger
	Tries  *backends.Budget // how many messages that went back are remembered for each user

	dir  *backends.Dir
	room *backends.Room

	back sync.Mutex // a message is on its way back, until its tries are remembered; taken before mu

	mu      sync.Mutex
	out     map[string]map[*Lease]struct{}     // by queue: what is handed out, or waits for room in its queue
	failed  map[string]map[returned][]attempts // by queue: messages that went back, and how often they were tried
	waiting map[string]*comingBack             // by queue
	last    int64
}

// Lease is one message that was handed out.
type Lease struct {
	Meta  backends.Meta
	Tries int // how often it was handed out, this time included
	Data  []byte

	all      *Leases
	queue    string
	ino      uint64 // of the queue, and whose it was
	owner    uint32
	uid      uint32 // who took it, and pays
	file     string
	recorded bool
	before   attempts       // how often it was tried, in the ledger until its own record says so
	desk     *backends.Desk // where it lies until it is recorded; nil: there is none
}

const (
	maxLeased     = 64 << 20 // bytes of one user's
	leaseOverhead = 512      // bytes of memory, beside the message
	recordPage    = 4096     // bytes that a file takes at a time
	maxTries      = 1 << 14  // messages of one user; beyond it tries are counted anew
	maxTriesRoot  = 1 << 17
)

// OpenLeases keeps leases in dir, which is on the file system of room.
func OpenLeases(dir *backends.Dir, room *backends.Room) *Leases {
	l := &Leases{
		Bytes: backends.NewBudget(backends.Terms{Name: "lease_bytes", Err: unix.EDQUOT},
			func(int64) backends.Bounds {
				return backends.Bounds{One: maxLeased, All: backends.Unbounded, Root: backends.Unbounded}
			}),
		Tries: backends.NewBudget(backends.Terms{Name: "lease_tries", Err: unix.EDQUOT},
			func(int64) backends.Bounds {
				return backends.Bounds{One: maxTries, All: backends.Unbounded, Root: maxTriesRoot}
			}),
		dir: dir, room: room, out: map[string]map[*Lease]struct{}{},
		failed: map[string]map[returned][]attempts{}, waiting: map[string]*comingBack{}, last: time.Now().UnixNano(),
	}
	room.Also(l.each)
	return l
}

// each calls f for each lease: who pays, and for how many bytes of the file system.
func (l *Leases) each(f func(uid uint32, bytes int64)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, list := range l.out {
		for one := range list {
			f(one.uid, recordBytes(len(one.Data)))
		}
	}
}

// recordBytes is what the file of a message of n bytes takes, whole pages with its header.
func recordBytes(n int) int64 {
	return (int64(n) + leaseOverhead + recordPage - 1) / recordPage * recordPage
}

// pay has a user pay for a message of n bytes.
func (l *Leases) pay(uid uint32, n int) error {
	if err := l.room.TakeBytes(uid, recordBytes(n)); err != nil {
		return err
	}
	err := l.Bytes.Take(uid, int64(n)+leaseOverhead)
	if err != nil {
		l.room.GiveBytes(uid, recordBytes(n))
	}
	return err
}

func (l *Leases) unpay(uid uint32, n int) {
	l.room.GiveBytes(uid, recordBytes(n))
	l.Bytes.Give(uid, int64(n)+leaseOverhead)
}

// Take receives a message from a queue for a user and makes a lease of it, which is to be recorded before it
// is handed out. buf is room for any message of the queue. It does not wait. EDQUOT if the user has as much
// out as one user may; ErrWouldBlock as TryRead.
func (l *Leases) Take(from *Queue, uid uint32, buf []byte) (*Lease, error) {
	// The longest message has to fit: which one comes nobody knows before it was taken.
	most := from.Unit()
	if err := l.pay(uid, most); err != nil {
		return nil, err
	}
	one := &Lease{Tries: 1, all: l, queue: from.name, ino: from.ino, owner: from.owner(), uid: uid}
	one.file = l.newFile()
	d := l.desk(one, takingLease)
	if d != nil && most <= len(*d.Room()) {
		buf = *d.Room()
	}
	n, m, err := (&End{from, backends.AtDesk{Desk: d}}).TryRead(buf)
	if err != nil {
		free(d)
		l.unpay(uid, most)
		return nil, err
	}
	l.unpay(uid, most)
	l.count(uid, n)
	one.Meta, one.Data, one.desk = m, bytes.Clone(buf[:n]), d
	one.Tries += l.tried(one, d)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(one)
	return one, nil
}

// newFile is a name for a record.
func (l *Leases) newFile() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	return strconv.FormatInt(l.last, 10)
}

// count counts a message of n bytes for a user who is not asked.
func (l *Leases) count(uid uint32, n int) {
	l.room.AddBytes(uid, recordBytes(n))
	l.Bytes.Add(uid, int64(n)+leaseOverhead)
}

// add and drop keep the table of leases. The caller holds l.mu.
func (l *Leases) add(one *Lease) {
	if l.out[one.queue] == nil {
		l.out[one.queue] = map[*Lease]struct{}{}
	}
	l.out[one.queue][one] = struct{}{}
}

func (l *Leases) drop(one *Lease) {
	delete(l.out[one.queue], one)
	if len(l.out[one.queue]) == 0 {
		delete(l.out, one.queue)
	}
}

// Recorded reports whether the lease was recorded, and so may have been handed out.
func (one *Lease) Recorded() bool { return one.recorded }

// Queue is the name of the queue the message is from.
func (one *Lease) Queue() string { return one.queue }

// Done forgets the lease: the work was done. It waits for the disk, which the record is taken from.
func (one *Lease) Done() error {
	one.told()
	one.over()
	return one.erase()
}

// over counts the lease no more.
func (one *Lease) over() {
	l := one.all
	l.mu.Lock()
	l.drop(one)
	l.mu.Unlock()
	l.unpay(one.uid, len(one.Data))
}

// erase takes the record away.
func (one *Lease) erase() error {
	if !one.recorded {
		return nil
	}
	backends.Point("erasing")
	defer backends.Point("erased")
	return one.all.dir.Remove(backends.Named(one.file))
}

// Return puts the message back at its old priority, behind those of that priority which are there: the
// kernel has no other place for it. ErrWouldBlock if the queue is full. It does not wait for the record to
// be gone: the disk may be slow, and the close(2) of a lease is taken up where everybody's requests are.
func (one *Lease) Return(to backends.Port) error {
	d, ino := one.all.desk(one, returningLease), one.ino
	if queue, ok := to.(*Queue); ok {
		ino = queue.ino
		to = &End{queue, backends.AtDesk{Desk: d}}
	}
	if err := one.goBack(to, ino, d); err != nil {
		free(d)
		return err
	}
	erase := func() error { defer free(d); return one.erase() }
	if one.all.Work == nil {
		one.over()
		return erase()
	}
	one.over()
	// A record that cannot be taken away brings the message once more at the next start; there is nobody to
	// tell.
	if task := one.all.Work.Go(one.uid, func(context.Context) { _ = erase() }); task.Done() {
		_ = one.erase() // the workers may have ended
	}
	return nil
}

// goBack puts the message into the queue of this inode, where whoever takes it next finds what is remembered.
func (one *Lease) goBack(to backends.Port, ino uint64, d *backends.Desk) error {
	key := keyOf(one) // beforehand: it takes a while, and others wait for the lock
	one.all.back.Lock()
	defer one.all.back.Unlock()
	if _, err := to.TryWrite(one.Data, one.Meta); err != nil {
		return err
	}
	backends.Point("returned")
	free(one.desk)
	one.desk = nil
	one.all.remember(one, ino, key, d)
	return nil
}

// Out is how many messages of a queue are handed out, or wait to come back to it.
func (l *Leases) Out(queue string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.out[queue])
}

// Forget is told that a queue was removed: nothing is remembered of its messages, and those that wait to
// come back go its way. "": any may have been, so those that wait are tried.
func (l *Leases) Forget(queue string) {
	l.mu.Lock()
	failed := l.failed[queue]
	delete(l.failed, queue)
	var waiting []*comingBack
	for name, one := range l.waiting {
		if queue == "" || name == queue {
			waiting = append(waiting, one)
		}
	}
	l.mu.Unlock()
	for _, known := range failed {
		for _, a := range known {
			l.forget(a)
		}
	}
	for _, one := range waiting {
		one.try()
	}
}
