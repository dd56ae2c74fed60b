package fs

import (
	"math"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// A Locking is a request for a lock of a file (fcntl(2), flock(2)), until it is granted. Its methods never
// block.
type Locking struct {
	lock  backends.Lock
	locks *backends.Locks // nil: the file has none
	wait  *backends.LockWaiter
	pays  backends.Payer
	set   func() // is called when they have changed
}

// Locking begins a request for a lock. Addressed bytes have locks. A message face has none: each program that
// opens it has a node of its own, so that the kernel alone would grant them to everybody.
func (t *Tree) Locking(in *fuse.LkIn) *Locking {
	l := &Locking{pays: t.env.Shares, lock: backends.Lock{
		Owner: in.Owner, Open: in.Fh, Uid: in.Uid, Pid: int(in.Lk.Pid),
		Flock: in.LkFlags&fuse.FUSE_LK_FLOCK != 0, Type: int16(in.Lk.Typ),
		Start: int64(min(in.Lk.Start, math.MaxInt64)), End: int64(min(in.Lk.End, math.MaxInt64)),
	}}
	if m := t.memory(in.Fh); m != nil {
		l.locks = m.Locks()
		l.wait = l.locks.Waiter(t.env.Poll)
		fh := in.Fh // what is at in is another request by then
		l.set = func() { t.locked(fh) }
	}
	return l
}

// Try asks for the lock: ErrWouldBlock if others keep it out.
func (l *Locking) Try([]byte) (int, error) {
	if l.locks == nil {
		return 0, syscall.ENOLCK
	}
	err := l.locks.Set(l.lock, l.pays)
	if err == nil {
		l.set()
	}
	return 0, err
}

// For tells what it waits for.
func (l *Locking) For() (backends.Waiter, backends.Ready) { return l.wait, backends.In }

// Stop gives up.
func (l *Locking) Stop(_ []byte, why error) (int, error) {
	l.wait.Stop()
	return 0, why
}

// SetLk is fcntl(2) with F_SETLK or F_OFD_SETLK, and flock(2) with LOCK_NB or LOCK_UN.
func (t *Tree) SetLk(_ <-chan struct{}, in *fuse.LkIn) fuse.Status {
	_, err := t.Locking(in).Try(nil)
	return fuse.Status(nodes.Errno(err))
}

// SetLkw waits, and does not come here: see Locking.
func (t *Tree) SetLkw(c <-chan struct{}, in *fuse.LkIn) fuse.Status { return t.SetLk(c, in) }

// GetLk is fcntl(2) with F_GETLK or F_OFD_GETLK.
func (t *Tree) GetLk(_ <-chan struct{}, in *fuse.LkIn, out *fuse.LkOut) fuse.Status {
	l := t.Locking(in)
	if l.locks == nil {
		return fuse.Status(syscall.ENOLCK)
	}
	found, err := l.locks.Test(l.lock)
	out.Lk = fuse.FileLock{
		Start: uint64(found.Start), End: uint64(found.End), Typ: uint32(found.Type), Pid: uint32(found.Pid),
	}
	return fuse.Status(nodes.Errno(err))
}

// Flush is told of each close of each descriptor, with which the process gives back its locks of the file.
// What ends with the open file ends at Release.
func (t *Tree) Flush(_ <-chan struct{}, in *fuse.FlushIn) fuse.Status {
	if m := t.memory(in.Fh); m != nil {
		if m.Locks().Left(in.LockOwner) {
			t.locked(in.Fh)
		}
	}
	return fuse.OK
}

// locked notes that the locks of an open file have changed.
func (t *Tree) locked(fh uint64) {
	if h := t.handles.get(fh); h != nil {
		t.table.touch(h.Node)
	}
}
