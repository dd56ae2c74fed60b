package fs

import (
	"maps"
	"math"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// A Locking is a request for a lock of a file (fcntl(2), flock(2)), until it is granted. Its methods never
// block.
type Locking struct {
	t     *Tree
	lock  backends.Lock
	locks *backends.Locks // nil: the file has none
	wait  *backends.LockWaiter
}

// Locking begins a request for a lock. Addressed bytes have locks. A message face has none: each program that
// opens it has a node of its own, so that the kernel alone would grant them to everybody.
func (t *Tree) Locking(in *fuse.LkIn) *Locking {
	l := &Locking{t: t, lock: backends.Lock{
		Owner: in.Owner, Open: in.Fh, Uid: in.Uid, Pid: int(in.Lk.Pid),
		Flock: in.LkFlags&fuse.FUSE_LK_FLOCK != 0, Type: int16(in.Lk.Typ),
		Start: int64(min(in.Lk.Start, math.MaxInt64)), End: int64(min(in.Lk.End, math.MaxInt64)),
	}}
	if m := t.memory(in.Fh); m != nil {
		l.locks = m.Locks()
		l.wait = l.locks.Waiter(t.env.Poll, in.Uid)
	}
	return l
}

// Try asks for the lock: ErrWouldBlock if others keep it out.
func (l *Locking) Try([]byte) (int, error) {
	t := l.t
	if l.locks == nil {
		return 0, syscall.ENOLCK
	}
	err := l.locks.Set(l.lock, t.lasting.locks)
	if h := t.handles.get(l.lock.Open); err != nil && !nodes.Waits(err) && h != nil {
		n, _ := t.table.get(h.Node)
		return 0, syscall.Errno(t.failAt(l.lock.Uid, "lock", n, "", err))
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
		m.Locks().Left(in.LockOwner)
	}
	return fuse.OK
}

// maxLocks is how many ranges of bytes one user may have locked. Each takes some hundred bytes here, and the
// kernel looks at all of a file for each lock.
const maxLocks = 1 << 12

// newLocks is what the locks of the tree have in common. They are written down by themselves, before the call
// that changes them returns: a Commit has nothing to do with them, so that nobody waits for it.
func newLocks(t *Tree) *backends.LockHost {
	return &backends.LockHost{
		Descriptors: t.env.Shares.Budget,
		Ranges: backends.NewBudget(backends.Terms{Name: "locks", Err: syscall.ENOLCK}, func(int64) backends.Bounds {
			return backends.Bounds{One: maxLocks, All: backends.Unbounded, Root: backends.Unbounded}
		}),
		Ledger: t.lasting.ledger,
		Form: func(b []byte, k *backends.Lock) []byte {
			return nodes.EncodeIn(b, (&lockRecord{Lock: *k}).code)
		},
	}
}

// lockRecord is a lock that somebody holds.
type lockRecord struct {
	backends.Lock

	number uint64          // in the ledger,
	saved  backends.Record // where it is
}

func (k *lockRecord) code(c *nodes.Coder) {
	nodes.Number(c, &k.Owner)
	nodes.Number(c, &k.Open)
	nodes.Number(c, &k.Uid)
	nodes.Number(c, &k.Pid)
	c.Flag(&k.Flock)
	nodes.Number(c, &k.Type)
	nodes.Number(c, &k.Start)
	nodes.Number(c, &k.End)
}

// lockRecords are those of all locks, in the order of the nodes of their files.
func (t *Tree) lockRecords() (list []lockRecord) {
	var open []*memory
	t.table.mu.Lock()
	for _, id := range slices.Sorted(maps.Keys(t.table.nodes)) {
		if l := t.table.nodes[id].live; l != nil && l.memory != nil {
			open = append(open, l.memory)
		}
	}
	t.table.mu.Unlock()
	for _, m := range open {
		for _, k := range m.Locks().Held() {
			list = append(list, lockRecord{Lock: k})
		}
	}
	return list
}

// locksBy are records by the open files of which they are.
func locksBy(list []lockRecord) map[uint64][]lockRecord {
	by := map[uint64][]lockRecord{}
	for _, k := range list {
		by[k.Open] = append(by[k.Open], k)
	}
	return by
}

// lockAgain takes what was locked by h, which is open again, in the order of the records.
func (t *Tree) lockAgain(h *opened, list []lockRecord) {
	m, ok := h.open.(*memory)
	for _, k := range list {
		if !ok {
			t.lasting.ledger.Drop(&k.saved)
			continue
		}
		if err := m.Locks().Again(k.Lock, k.number, k.saved, t.lasting.locks); err != nil {
			n, _ := t.table.get(h.Node)
			t.log.Warn("a lock is lost", "path", t.spoken(n), "pid", k.Pid, "err", err)
		}
	}
}
