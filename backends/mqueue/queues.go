// Package mqueue owns POSIX message queues (mq_overview(7)) and the messages of theirs that are out on lease.
//
// Queues are those of the ipc namespace: it makes, finds, lists and removes them, and opens each once for
// all who use it, as a Queue. A Queue is an Endpoint. Queues that others make and remove are seen too, if
// there is a mount of the mqueue file system. Leases hand out messages that come back to their queue unless
// they are done, also after the daemon has died.
//
// All is safe for concurrent use. Nothing waits, but for the disk where leases are kept, and, where a queue
// is made, removed or listed, for those who hold the directory of queues in the kernel. Errors are those of
// mq_open(3), mq_send(3) and mq_receive(3), with backends.ErrWouldBlock for EAGAIN, backends.ErrRemoved for a
// queue that is gone, and ErrBytes for the one case in which EMFILE means RLIMIT_MSGQUEUE. Package nodes
// calls it.
package mqueue

import (
	"errors"
	"sync"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// Queues are the POSIX message queues of the ipc namespace the daemon was started in.
type Queues struct {
	MaxMsg, MsgSize int              // attributes of new queues; 0: the kernel's defaults
	Bytes           *backends.Budget // of the queues of each user

	poll *backends.Poller
	dir  *backends.Dir // a mount of the mqueue file system of our own, for listing; nil without one

	mu    sync.Mutex
	open  map[queueKey]*Queue
	pasts map[string]*past // by name

	looked  time.Time
	tally   backends.Tally
	looks   backends.Looks // that limits makes
	lasting lasting

	safe backends.Safe           // nil: nothing outlives this process
	left map[uint64][]*leftQueue // by inode, until Resumed
	// how often one was let go, and how often when all of those were closed there the last time (dropKept)
	let, dropped int
}

type queueKey struct {
	ino    uint64
	access int
}

// NewQueues finds the queues. Listing them takes a mount of the mqueue file system; it makes one that no
// path leads to (fsmount(2)), or else uses /dev/mqueue.
func NewQueues(p *backends.Poller, maxmsg, msgsize int) *Queues {
	q := &Queues{
		MaxMsg: maxmsg, MsgSize: msgsize, Bytes: newQueueBytes(), poll: p, open: map[queueKey]*Queue{},
		pasts: map[string]*past{},
	}
	q.Bytes.TellRefusals(q.look)
	if dir, err := openMqueue(); err == nil {
		q.dir = backends.DirAt(dir, "mqueue")
	}
	q.count()
	return q
}

// Listed reports whether List shows the queues that there are. It shows none without a mount of the mqueue
// file system, which an ordinary user cannot make outside of namespaces of their own.
func (q *Queues) Listed() bool { return q.dir != nil }

// Close releases the mount. Open queues stay open.
func (q *Queues) Close() error {
	if q.dir == nil {
		return nil
	}
	return q.dir.Close()
}

// ErrBytes says that all queues of the daemon's user take as many bytes as they may (RLIMIT_MSGQUEUE), for
// which mq_open(3) has the errno of a lack of descriptors.
var ErrBytes = errors.New("RLIMIT_MSGQUEUE is used up")

// Open opens a queue for access (O_RDONLY, O_WRONLY, O_RDWR), the very one that was judged, ESTALE
// otherwise. All who open one queue share one Queue if the daemon may read and write it, as root may.
func (q *Queues) Open(r backends.Ref, access int) (*Queue, error) {
	return q.stays(q.hold(r, access, r.Judged, backends.ToStay))
}

// OpenBriefly opens the very queue for a caller that closes it before it answers, whatever its mode is by
// now.
func (q *Queues) OpenBriefly(r backends.Ref, access int) (*Queue, error) {
	return q.hold(r, access, r.Is, briefly)
}

func (q *Queues) hold(r backends.Ref, access int, check func(backends.Attr) error,
	may func(int, error) (int, error)) (*Queue, error) {
	if left := q.holdLeft(r, access); left != nil {
		return left, nil
	}
	fd, err := q.there(r.Path, unix.O_RDWR)
	if err == unix.EACCES && access != unix.O_RDWR {
		fd, err = q.there(r.Path, access)
	} else {
		access = unix.O_RDWR
	}
	if err != nil {
		return nil, err
	}
	a, err := backends.Fstat(fd)
	if err == nil {
		err = check(a)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if have := q.open[queueKey{a.Ino, access}]; have != nil {
		unix.Close(fd)
		have.holders++
		return have, nil
	}
	return q.take(r.Path, a.Ino, fd, access, may)
}

// pastOf is what is remembered of a queue; of one that has its name no more, as there is none or another one
// of that name, numbers that nobody asks for.
func (q *Queues) pastOf(name string, ino uint64) *past {
	q.mu.Lock()
	defer q.mu.Unlock()
	if p := q.pasts[name]; p != nil && p.ino != ino || p == nil && q.dir != nil {
		p = &past{ino: ino}
		p.keep(nil, backends.Record{})
		return p
	}
	return q.past(name, ino)
}

// Find is stat(2) of a queue, without the bytes pending, which cost more.
func (q *Queues) Find(name string) (backends.Attr, error) {
	if q.dir == nil {
		return q.Stat(backends.Ref{Path: name})
	}
	fd, err := q.there(name, unix.O_PATH) // which needs no permission on the queue
	if err != nil {
		return backends.Attr{}, err
	}
	defer unix.Close(fd)
	a, err := backends.Fstat(fd)
	a.Size, a.Blocks = 0, 0
	return a, err
}

// Stat is stat(2) of the very queue, with the bytes pending as its size where the daemon may read it.
func (q *Queues) Stat(r backends.Ref) (backends.Attr, error) {
	fd, err := q.openAny(r.Path)
	if err == unix.EACCES && q.dir != nil {
		a, err := q.Find(r.Path)
		if err == nil {
			err = r.Is(a)
		}
		return a, err
	}
	if err != nil {
		return backends.Attr{}, err
	}
	defer unix.Close(fd)
	a, err := queueAttr(fd)
	if err == nil {
		err = r.Is(a)
	}
	return a, err
}

func (q *Queues) openAny(name string) (int, error) {
	fd, err := q.there(name, unix.O_RDONLY)
	if err == unix.EACCES {
		fd, err = q.there(name, unix.O_WRONLY)
	}
	return fd, err
}

// there opens a queue that exists. mq_open(3) locks the directory of all queues for itself alone; what
// open(2) gives is the same.
func (q *Queues) there(name string, flags int) (int, error) {
	if q.dir == nil {
		return mqOpen(name, flags|unix.O_NONBLOCK, 0, nil)
	}
	if flags&unix.O_PATH == 0 {
		flags |= unix.O_NONBLOCK
	}
	return backends.OpenCached(q.dir.Fd(), name, flags)
}

// Change sets attributes of the very queue, ESTALE if it is another user's by now; a size is not one of them.
func (q *Queues) Change(r backends.Ref, c backends.Change) error {
	fd, err := q.openAny(r.Path)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	a, err := backends.Fstat(fd)
	if err == nil {
		err = r.Owned(a)
	}
	if err != nil {
		return err
	}
	c.Size = nil
	q.mu.Lock()
	p := q.pastOfOpen(a.Ino)
	q.mu.Unlock()
	if p != nil && c.Mtime != nil { // by which a message that is being sent may be known
		p.traffic.Lock()
		defer p.traffic.Unlock()
	}
	if err := backends.Apply(fd, c); err != nil || c.Uid == nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if p = q.past(r.Path, a.Ino); p.uid != *c.Uid {
		q.Bytes.Move(p.uid, *c.Uid, p.cost)
		p.uid = *c.Uid
	}
	return nil
}

// List names all queues of the namespace, in no order. Without a mount of the mqueue file system it knows
// only those held open.
func (q *Queues) List() ([]backends.Entry, error) {
	if q.dir != nil {
		return q.dir.List(backends.Ref{})
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var list []backends.Entry
	for _, one := range q.open {
		if !one.removed.Load() {
			list = append(list, backends.Entry{Name: one.name, Type: unix.S_IFREG})
		}
	}
	return list, nil
}

// Count is how many there are; without a mount of the mqueue file system, how many are held open.
func (q *Queues) Count() (int, error) {
	if q.dir != nil {
		return q.tally.Count(q.dir, func(uint32) bool { return true })
	}
	list, err := q.List()
	return len(list), err
}

// Remove is mq_unlink(3) in somebody's name: the directory of queues is sticky, so the kernel lets them
// remove their own and no other. Those who hold the queue open through the daemon get what is left in it
// and then ErrRemoved.
func (q *Queues) Remove(name string, who backends.Cred) error {
	a, statErr := q.Find(name)
	if statErr == nil {
		q.mu.Lock()
		q.keep(a.Ino)
		q.mu.Unlock()
	}
	err := backends.As(who, 0, func() error { return mqUnlink(name) })
	if statErr != nil || err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if p := q.pasts[name]; p != nil && p.ino == a.Ino {
		q.gone(name, p)
	}
	q.lost(a.Ino)
	return nil
}

// Removed is told that a queue of this name was removed, by whomever; "": any may have been.
func (q *Queues) Removed(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for key, one := range q.open {
		if name != "" && one.name != name {
			continue
		}
		if a, err := backends.Fstat(one.fd); err == nil && a.Nlink == 0 {
			q.lost(key.ino)
		}
	}
	if name == "" {
		q.lookAtAll()
		return
	}
	if a, err := q.Find(name); err == nil {
		q.past(name, a.Ino) // one of the same name has none of what the other had
	} else if p := q.pasts[name]; p != nil {
		q.gone(name, p)
	}
}

// lost tells those who hold a queue open that it has no name any more. The caller holds q.mu.
func (q *Queues) lost(ino uint64) {
	q.keep(ino)
	for key, one := range q.open {
		if key.ino == ino {
			one.removed.Store(true)
			one.Wake()
		}
	}
}

// Dir is the directory the queues are listed in; nil if there is none.
func (q *Queues) Dir() *backends.Dir { return q.dir }
