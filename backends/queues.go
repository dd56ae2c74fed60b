package backends

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Queues are the POSIX message queues of the ipc namespace the daemon was started in.
type Queues struct {
	MaxMsg, MsgSize int // attributes of new queues; 0: the kernel's defaults

	poll *Poller
	dir  int // a mount of the mqueue file system of our own, for listing; -1 without one

	mu    sync.Mutex
	open  map[queueKey]*Queue
	pasts map[string]*past // by name
}

type queueKey struct {
	ino    uint64
	access int
}

// NewQueues finds the queues. Listing them takes a mount of the mqueue file system; it makes one that no path leads to (fsmount(2)),
// or else uses /dev/mqueue.
func NewQueues(p *Poller, maxmsg, msgsize int) *Queues {
	q := &Queues{MaxMsg: maxmsg, MsgSize: msgsize, poll: p, open: map[queueKey]*Queue{}, pasts: map[string]*past{}}
	dir, err := detachedMount("mqueue")
	if err != nil {
		dir, err = unix.Open("/dev/mqueue", unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
		var fs unix.Statfs_t
		if err == nil && (unix.Fstatfs(dir, &fs) != nil || fs.Type != mqueueMagic) {
			unix.Close(dir)
			dir = -1
		}
		if err != nil {
			dir = -1
		}
	}
	q.dir = dir
	return q
}

const mqueueMagic = 0x19800202 // MQUEUE_MAGIC, ipc/mqueue.c

// Listed reports whether List shows the queues that there are. It shows none without a mount of the mqueue file system, which an ordinary
// user cannot make outside of namespaces of their own.
func (q *Queues) Listed() bool { return q.dir >= 0 }

// Close releases the mount. Open queues stay open.
func (q *Queues) Close() error {
	if q.dir < 0 {
		return nil
	}
	return unix.Close(q.dir)
}

// ErrQueueBytes says that all queues of the daemon's user take as many bytes as they may (RLIMIT_MSGQUEUE), for which mq_open(3) has the
// errno of a lack of descriptors.
var ErrQueueBytes = errors.New("RLIMIT_MSGQUEUE is used up")

// Create makes a queue that must not exist yet, with maxmsg and msgsize or, where they are 0, the defaults.
func (q *Queues) Create(name string, o Owner, maxmsg, msgsize int) error {
	attr, err := q.attributes(maxmsg, msgsize)
	if err != nil {
		return err
	}
	fd, err := mqOpen(name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_NONBLOCK, o.Mode&0777, attr)
	if err == unix.EMFILE {
		if room(q.poll.ep) == nil {
			return ErrQueueBytes
		}
		return descriptors(err)
	}
	if err == unix.EINVAL {
		return tooLarge(attr)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := apply(fd, Change{Uid: &o.Uid, Gid: &o.Gid, Mode: &o.Mode}); err != nil {
		// Nothing half-made stays behind.
		_ = mqUnlink(name)
		return err
	}
	if st, err := fstat(fd); err == nil {
		q.mu.Lock()
		q.past(name, st.Ino).born = time.Now()
		q.mu.Unlock()
	}
	return nil
}

// past finds or begins what is remembered of a queue. The caller holds q.mu.
func (q *Queues) past(name string, ino uint64) *past {
	p := q.pasts[name]
	if p == nil || p.ino != ino {
		p = &past{ino: ino}
		q.pasts[name] = p
	}
	return p
}

// Born is when a queue was made, if that was through the daemon.
func (q *Queues) Born(name string, ino uint64) time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.past(name, ino).born
}

func (q *Queues) attributes(maxmsg, msgsize int) (*mqAttr, error) {
	if maxmsg == 0 {
		maxmsg = q.MaxMsg
	}
	if msgsize == 0 {
		msgsize = q.MsgSize
	}
	if maxmsg == 0 && msgsize == 0 {
		return nil, nil
	}
	// mq_open takes both or neither, so the other one comes from where the kernel takes it.
	for _, d := range []struct {
		v    *int
		file string
	}{{&maxmsg, "msg_default"}, {&msgsize, "msgsize_default"}} {
		if *d.v != 0 {
			continue
		}
		n, err := sysctl("fs/mqueue/" + d.file)
		if err != nil {
			return nil, err
		}
		*d.v = n
	}
	return &mqAttr{MaxMsg: maxmsg, MsgSize: msgsize}, nil
}

// Open opens a queue for access (O_RDONLY, O_WRONLY, O_RDWR). All who open one queue share one Queue if the daemon may read and write
// it, as root may.
func (q *Queues) Open(name string, access int) (*Queue, error) { return q.hold(name, access, toStay) }

// OpenBriefly is Open for one who closes the queue before he answers.
func (q *Queues) OpenBriefly(name string, access int) (*Queue, error) {
	return q.hold(name, access, func(fd int, err error) (int, error) { return fd, err })
}

func (q *Queues) hold(name string, access int, may func(fd int, err error) (int, error)) (*Queue, error) {
	fd, err := mqOpen(name, unix.O_RDWR|unix.O_NONBLOCK, 0, nil)
	if err == unix.EACCES && access != unix.O_RDWR {
		fd, err = mqOpen(name, access|unix.O_NONBLOCK, 0, nil)
	} else {
		access = unix.O_RDWR
	}
	if err != nil {
		return nil, err
	}
	st, err := fstat(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if have := q.open[queueKey{st.Ino, access}]; have != nil {
		unix.Close(fd)
		have.holders++
		return have, nil
	}
	if fd, err = may(fd, nil); err != nil {
		return nil, err
	}
	attr, err := mqGetattr(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	one := &Queue{
		Source: q.poll.Watch(fd), all: q, name: name, ino: st.Ino, fd: fd, access: access, msgsize: attr.MsgSize,
		past: q.past(name, st.Ino), holders: 1,
	}
	q.open[queueKey{st.Ino, access}] = one
	return one, nil
}

// Stat is stat(2) of a queue, with the bytes pending as its size where the daemon may read it.
func (q *Queues) Stat(name string) (Attr, error) {
	if q.dir >= 0 {
		// Asking by name needs no permission on the queue.
		var st unix.Stat_t
		if err := unix.Fstatat(q.dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return Attr{}, err
		}
		a := attrOf(&st)
		a.Size, a.Blocks = 0, 0
		return a, nil
	}
	fd, err := openAny(name)
	if err != nil {
		return Attr{}, err
	}
	defer unix.Close(fd)
	return queueAttr(fd)
}

// Pending is the number of bytes waiting in a queue, 0 where the daemon may not read it.
func (q *Queues) Pending(name string) int64 {
	fd, err := openAny(name)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	return queueBytes(fd)
}

func openAny(name string) (int, error) {
	fd, err := mqOpen(name, unix.O_RDONLY|unix.O_NONBLOCK, 0, nil)
	if err == unix.EACCES {
		fd, err = mqOpen(name, unix.O_WRONLY|unix.O_NONBLOCK, 0, nil)
	}
	return fd, err
}

// Change sets attributes of a queue; a size is not one of them.
func (q *Queues) Change(name string, c Change) error {
	fd, err := openAny(name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	c.Size = nil
	return apply(fd, c)
}

// List names all queues of the namespace, in no order. Without a mount of the mqueue file system it knows only those held open.
func (q *Queues) List() ([]Entry, error) {
	if q.dir >= 0 {
		return readDir(q.dir, ".")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var list []Entry
	for _, one := range q.open {
		if !one.removed.Load() {
			list = append(list, Entry{Name: one.name, Ino: one.ino, Type: unix.S_IFREG})
		}
	}
	return list, nil
}

// Remove is mq_unlink(3). Those who hold the queue open through the daemon get what is left in it and then ErrRemoved.
func (q *Queues) Remove(name string) error {
	st, statErr := q.Stat(name)
	if err := mqUnlink(name); err != nil {
		return err
	}
	if statErr != nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.pasts, name)
	q.lost(st.Ino)
	return nil
}

// Removed is told that a queue of this name was removed, by whomever.
func (q *Queues) Removed(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.pasts, name)
	for key, one := range q.open {
		if one.name != name {
			continue
		}
		if st, err := fstat(one.fd); err == nil && st.Nlink == 0 {
			q.lost(key.ino)
		}
	}
}

// lost tells those who hold a queue open that it has no name any more. The caller holds q.mu.
func (q *Queues) lost(ino uint64) {
	for key, one := range q.open {
		if key.ino == ino {
			one.removed.Store(true)
			one.Wake()
		}
	}
}

// Dir is the directory the queues are listed in; nil if there is none.
func (q *Queues) Dir() *Dir {
	if q.dir < 0 {
		return nil
	}
	return &Dir{fd: q.dir}
}
