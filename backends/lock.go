package backends

import (
	"container/list"
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Lock is one that somebody asks for: of a range of bytes (fcntl(2)), or of the whole file (flock(2)).
type Lock struct {
	Owner      uint64 // whose it is: those of one owner do not keep it out
	Open       uint64 // the open file that it was asked for by
	Uid        uint32 // who pays for the owner, if it is the first of it
	Pid        int    // the process that asked
	Flock      bool
	Type       int16 // F_RDLCK, F_WRLCK; F_UNLCK takes it back
	Start, End int64 // the first and the last byte; math.MaxInt64: however long the file is
}

// Locks are the locks of one file that others hold through the daemon. The kernel has them, so that programs
// that open the file natively meet them: each owner has an open file description of its own here, to which
// such locks belong. What the kernel cannot know for that is when two of our owners wait for each other: no
// EDEADLK. What the kernel has of them is known here too, and is written down before Set, Left and Closed return.
// What a call costs does not grow with what is held (TestLockWork). It is safe for concurrent use,
// and no call waits.
type Locks struct {
	mu     sync.Mutex
	file   int // any descriptor of the file
	owners map[uint64]*lockOwner
	opens  lockOwners[uint64]    // by the open file by which they have asked last
	at     lockOwners[LockRange] // by each range that they hold
	form   []byte                // of the record that is written
	lines  map[uint32]*lockLine  // those who wait, by user,
	turns  list.List             // and in the order in which it is their turn
	looks  *time.Timer           // ends a pause, for those who wait; nil: there is none
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

// Set takes, changes or gives back a lock, or answers ErrWouldBlock. Errors are those of fcntl(2) and flock(2),
// and those of the budgets of in: the user pays by whom the owner has asked first.
func (l *Locks) Set(k Lock, in *LockHost) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.Type == unix.F_UNLCK && l.owners[k.Owner] == nil {
		return nil
	}
	o, err := l.join(k, in, true)
	if err != nil {
		return err
	}
	return l.lock(o, k, nil)
}

// join is the owner of a lock, who is one from now on. asks: it is refused to a user who may have no more. The
// caller holds l.mu.
func (l *Locks) join(k Lock, in *LockHost, asks bool) (*lockOwner, error) {
	if o := l.owners[k.Owner]; o != nil {
		return o, nil
	}
	if !asks {
		in.Descriptors.Add(k.Uid, 1)
	} else if err := in.Descriptors.Take(k.Uid, 1); err != nil {
		return nil, err
	}
	fd, err := l.description()
	if err != nil {
		in.Descriptors.Give(k.Uid, 1)
		return nil, err
	}
	o := &lockOwner{id: k.Owner, open: k.Open, uid: k.Uid, pid: k.Pid, fd: fd, in: in, whole: unix.F_UNLCK}
	if l.owners == nil {
		l.owners = map[uint64]*lockOwner{}
	}
	l.owners[k.Owner] = o
	enter(&l.opens, o.open, o)
	return o, nil
}

// lock has the kernel lock, or give back, and keeps in mind and writes down what the owner holds. again is the
// record of a lock that an earlier process has had; nil: it has not. The caller holds l.mu.
func (l *Locks) lock(o *lockOwner, k Lock, again *savedLock) error {
	if k.Flock {
		err := k.set(o.fd)
		switch {
		case err == nil:
			l.asked(o, k)
			l.flocks(o, k.Type, again)
		case err == ErrWouldBlock && k.Type != o.whole && o.whole != unix.F_UNLCK:
			// Who asks for another type gives back what there was (flock(2)).
			l.flocks(o, unix.F_UNLCK, nil)
			l.wake()
		}
		return err
	}
	if k.Start < 0 || k.End < k.Start {
		return unix.EINVAL
	}
	asked := LockRange{k.Type, k.Start, k.End}
	from, to, by := changed(o.ranges, asked)
	more := int64(len(by) - (to - from))
	if again != nil || more <= 0 {
		o.in.Ranges.Add(o.uid, more)
	} else if err := o.in.Ranges.Take(o.uid, more); err != nil {
		return err
	}
	if err := k.set(o.fd); err != nil {
		o.in.Ranges.Add(o.uid, -more)
		return err
	}
	l.asked(o, k)
	switch {
	case again == nil:
		l.replace(o, from, to, by, nil)
	case len(by) == 1 && by[0] == asked:
		l.replace(o, from, to, by, []savedLock{*again})
	default: // the other process was amid a change
		l.replace(o, from, to, by, nil)
		o.in.Ledger.Drop(&again.at)
	}
	return nil
}

// asked notes that an owner has got what it asked for. The caller holds l.mu.
func (l *Locks) asked(o *lockOwner, k Lock) {
	if o.open != k.Open {
		leave(l.opens, o.open, o)
		o.open = k.Open
		enter(&l.opens, o.open, o)
	}
	if k.Type != unix.F_UNLCK {
		o.pid = k.Pid // the kernel does not say who gives back
	}
	if k.Type != unix.F_WRLCK {
		l.wake()
	} else {
		l.wakeSome(1) // this one may have waited, and the next one for other bytes
	}
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
	for o := range l.at[LockRange{found.Type, found.Start, found.End}] {
		if o.fd != fd {
			found.Pid = o.pid
			break
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

// Left gives back all locks of an owner: a process has closed the file (fcntl(2)).
func (l *Locks) Left(owner uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o := l.owners[owner]; o != nil {
		l.end(o)
		l.wake()
	}
}

// Closed gives back the locks that were asked for by an open file, which is closed for the last time.
func (l *Locks) Closed(open uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for o := range l.opens[open] {
		l.end(o)
		l.wake()
	}
}

// end gives back what an owner has. The caller holds l.mu.
func (l *Locks) end(o *lockOwner) {
	delete(l.owners, o.id)
	leave(l.opens, o.open, o)
	o.in.Ranges.Give(o.uid, int64(len(o.ranges)))
	l.replace(o, 0, len(o.ranges), nil, nil)
	l.flocks(o, unix.F_UNLCK, nil)
	unix.Close(o.fd)
	o.in.Descriptors.Give(o.uid, 1)
}

// close gives back all.
func (l *Locks) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.owners {
		l.end(o)
	}
	l.wake()
}

// wake wakes those who have waited longest, of each user as many: not all, as one user may have very many wait, and
// each of them looks again where everybody's waiting is served. The caller holds l.mu.
func (l *Locks) wake() {
	l.wakeSome(lockLooks)
	if l.looks != nil {
		l.looks.Stop()
		l.looks = nil
	}
	l.lookLater()
}

// wakeSome wakes so many. The caller holds l.mu.
func (l *Locks) wakeSome(n int) {
	for ; n > 0 && l.turns.Len() > 0; n-- {
		first := l.turns.Front()
		l.turns.MoveToBack(first)
		w := first.Value.(*lockLine).waiters.Front().Value.(*LockWaiter)
		w.leave()
		w.poll.Soon(w.wake)
	}
}

// lookLater has somebody look again after a pause, if anybody waits. The caller holds l.mu.
func (l *Locks) lookLater() {
	if l.turns.Len() == 0 || l.looks != nil {
		return
	}
	l.looks = time.AfterFunc(lockPause, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.wake()
	})
}

// A lockLine are those of one user who wait.
type lockLine struct {
	waiters list.List // of *LockWaiter, in order
	at      *list.Element
}

// A LockWaiter waits until it is worth asking for a lock again. It is a Waiter for one request.
type LockWaiter struct {
	l    *Locks
	uid  uint32
	poll *Poller
	wake func()
	at   *list.Element // among those of its user who wait; nil: it does not
}

// Waiter makes a LockWaiter of a user.
func (l *Locks) Waiter(p *Poller, uid uint32) *LockWaiter {
	return &LockWaiter{l: l, poll: p, uid: uid}
}

// Ready is Waiter.Ready.
func (*LockWaiter) Ready() Ready { return 0 }

// Arm is Waiter.Arm.
func (w *LockWaiter) Arm(_ Ready, wake func()) {
	l := w.l
	l.mu.Lock()
	defer l.mu.Unlock()
	w.wake = wake
	if w.at == nil {
		line := l.lines[w.uid]
		if line == nil {
			line = &lockLine{}
			line.at = l.turns.PushBack(line)
			if l.lines == nil {
				l.lines = map[uint32]*lockLine{}
			}
			l.lines[w.uid] = line
		}
		w.at = line.waiters.PushBack(w)
	}
	l.lookLater()
}

// Stop ends the waiting.
func (w *LockWaiter) Stop() {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	w.leave()
}

// leave has it wait no more. The caller holds l.mu.
func (w *LockWaiter) leave() {
	if w.at == nil {
		return
	}
	line := w.l.lines[w.uid]
	line.waiters.Remove(w.at)
	if w.at = nil; line.waiters.Len() == 0 {
		w.l.turns.Remove(line.at)
		delete(w.l.lines, w.uid)
	}
}
