package backends

import (
	"math"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Lock is one that somebody asks for: of a range of bytes (fcntl(2)), or of the whole file (flock(2)).
type Lock struct {
	Owner      uint64 // whose it is: those of one owner do not keep it out
	Open       uint64 // the open file that it was asked for by
	Uid        uint32 // who pays for the owner's descriptor
	Pid        int    // the process that asked
	Flock      bool
	Type       int16 // F_RDLCK, F_WRLCK; F_UNLCK takes it back
	Start, End int64 // the first and the last byte; math.MaxInt64: however long the file is
}

// Locks are the locks of one file that others hold through the daemon. The kernel has them, so that programs
// that open the file natively meet them: each owner has an open file description of its own here, to which
// such locks belong. What the kernel cannot know for that is when two of our owners wait for each other: no
// EDEADLK. It is safe for concurrent use, and no call waits.
type Locks struct {
	mu      sync.Mutex
	file    int // any descriptor of the file
	owners  map[uint64]*lockOwner
	waiting []*LockWaiter // in order
	looks   *time.Timer   // ends a pause, for those who wait; nil: there is none
}

// lockOwner is the open file description of one owner.
type lockOwner struct {
	fd   int
	last Lock
	pays Payer
}

// A Payer counts the descriptors that users make the daemon hold.
type Payer interface {
	Take(uid uint32) error
	Give(uid uint32)
}

const (
	// lockPause is how often some of those who wait look again: a native program may have let go, of which
	// nobody is told.
	lockPause = 50 * time.Millisecond
	lockLooks = 64 // how many look again at a time
)

// of are the locks of the file that is open at fd.
func (l *Locks) of(fd int) *Locks {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file = fd
	return l
}

// Set takes, changes or gives back a lock, or answers ErrWouldBlock. pays pays for the descriptor of an owner
// who has none yet. Errors are those of fcntl(2) and flock(2).
func (l *Locks) Set(k Lock, pays Payer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.owners[k.Owner]
	if o == nil {
		if k.Type == unix.F_UNLCK {
			return nil
		}
		if err := pays.Take(k.Uid); err != nil {
			return err
		}
		fd, err := l.description()
		if err != nil {
			pays.Give(k.Uid)
			return err
		}
		o = &lockOwner{fd: fd, last: k, pays: pays}
		if l.owners == nil {
			l.owners = map[uint64]*lockOwner{}
		}
		l.owners[k.Owner] = o
	}
	if err := k.set(o.fd); err != nil {
		return err
	}
	o.last.Open = k.Open
	if k.Type != unix.F_UNLCK {
		o.last.Pid = k.Pid // the kernel does not say who gives back
	}
	if k.Type != unix.F_WRLCK {
		l.wake()
	}
	return nil
}

// description opens the file once more: to write if the daemon may, else to read.
func (l *Locks) description() (int, error) {
	fd, err := unix.Open(procPath(l.file), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == unix.EACCES || err == unix.EPERM || err == unix.EROFS {
		fd, err = unix.Open(procPath(l.file), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	return ToStay(fd, err)
}

// set makes the lock one of the open file description.
func (k Lock) set(fd int) error {
	var err error
	if k.Flock {
		how := map[int16]int{unix.F_RDLCK: unix.LOCK_SH, unix.F_WRLCK: unix.LOCK_EX, unix.F_UNLCK: unix.LOCK_UN}
		err = unix.Flock(fd, how[k.Type]|unix.LOCK_NB)
	} else {
		at := k.bytes()
		err = unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &at)
	}
	if err == unix.EAGAIN || err == unix.EACCES {
		return ErrWouldBlock
	}
	return err
}

// bytes is the lock as fcntl(2) takes it.
func (k Lock) bytes() unix.Flock_t {
	at := unix.Flock_t{Type: k.Type, Start: k.Start}
	if k.End != math.MaxInt64 {
		at.Len = k.End - k.Start + 1
	}
	return at
}

// Test finds a lock that keeps k out; of type F_UNLCK if there is none. Its Pid is 0 if it is not known.
func (l *Locks) Test(k Lock) (Lock, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fd := -1
	if o := l.owners[k.Owner]; o != nil {
		fd = o.fd
	} else {
		var err error
		if fd, err = l.description(); err != nil {
			return k, err
		}
		defer unix.Close(fd)
	}
	found, err := k.test(fd)
	if err != nil || found.Type == unix.F_UNLCK || found.Pid > 0 {
		return found, err
	}
	found.Pid = 0
	for _, o := range l.owners {
		probe := Lock{Type: unix.F_WRLCK, Start: max(found.Start, k.Start), End: min(found.End, k.End)}
		if other, err := probe.test(o.fd); err == nil && other.Type == unix.F_UNLCK && o.fd != fd {
			found.Pid = o.last.Pid // nobody else has anything there
		}
	}
	return found, nil
}

func (k Lock) test(fd int) (Lock, error) {
	at := k.bytes()
	err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &at)
	k.Type, k.Pid, k.Start, k.End = at.Type, int(at.Pid), at.Start, at.Start+at.Len-1
	if at.Len == 0 {
		k.End = math.MaxInt64
	}
	return k, err
}

// Left gives back all locks of an owner, and reports whether there were any: a process has closed the file
// (fcntl(2)).
func (l *Locks) Left(owner uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.owners[owner]
	if o != nil {
		l.end(owner, o)
		l.wake()
	}
	return o != nil
}

// Closed gives back the locks that were asked for by an open file, which is closed for the last time, and
// reports whether there were any.
func (l *Locks) Closed(open uint64) (some bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for owner, o := range l.owners {
		if o.last.Open == open {
			some = true
			l.end(owner, o)
			l.wake()
		}
	}
	return some
}

func (l *Locks) end(owner uint64, o *lockOwner) {
	delete(l.owners, owner)
	unix.Close(o.fd)
	o.pays.Give(o.last.Uid)
}

// close gives back all.
func (l *Locks) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for owner, o := range l.owners {
		l.end(owner, o)
	}
	l.wake()
}

// wake wakes those who have waited longest: not all, as one user may have very many wait, and each of them
// looks again where everybody's waiting is served. The caller holds l.mu.
func (l *Locks) wake() {
	some := l.waiting[:min(lockLooks, len(l.waiting))]
	for _, w := range some {
		w.poll.Soon(w.wake)
	}
	l.waiting = slices.Delete(l.waiting, 0, len(some))
	if l.looks != nil {
		l.looks.Stop()
		l.looks = nil
	}
	l.lookLater()
}

// lookLater has somebody look again after a pause, if anybody waits. The caller holds l.mu.
func (l *Locks) lookLater() {
	if len(l.waiting) == 0 || l.looks != nil {
		return
	}
	l.looks = time.AfterFunc(lockPause, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.wake()
	})
}

// A LockWaiter waits until it is worth asking for a lock again. It is a Waiter for one request.
type LockWaiter struct {
	l    *Locks
	poll *Poller
	wake func()
}

// Waiter makes a LockWaiter.
func (l *Locks) Waiter(p *Poller) *LockWaiter { return &LockWaiter{l: l, poll: p} }

// Ready is Waiter.Ready.
func (*LockWaiter) Ready() Ready { return 0 }

// Arm is Waiter.Arm.
func (w *LockWaiter) Arm(_ Ready, wake func()) {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	w.wake = wake
	if !slices.Contains(w.l.waiting, w) {
		w.l.waiting = append(w.l.waiting, w)
	}
	w.l.lookLater()
}

// Stop ends the waiting.
func (w *LockWaiter) Stop() {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	w.l.waiting = slices.DeleteFunc(w.l.waiting, func(o *LockWaiter) bool { return o == w })
}
