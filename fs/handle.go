package fs

import (
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// Handle is an open file or directory that the kernel knows by number: plain data (see handleRecord).
type Handle struct {
	Num      uint64
	Node     uint64
	Flags    uint32 // of open(2)
	Uid, Gid uint32 // who opened it,
	Pid      uint32 // a thread of theirs
	Poll     uint64 // by which the kernel is told that it is ready; 0: it was never polled
	Closed   bool   // it was closed for the last time, and has something left to send
	Request  uint64 // in which it was opened; 0: it is not known

	saved backends.Record // in the ledger
}

// opened is what is open by a handle.
type opened struct {
	Handle
	open nodes.Open   // a *nodes.File, Bytes, or *memory; nil for a directory
	rare *rare        // nil: it has nothing of that
	mu   sync.Mutex   // of saved, and what follows
	held atomic.Int32 // by how many beside the handle (see hold)

	lasts   bool    // its file writes what it keeps in the ledger
	gone    bool    // it is in the table no more
	earlier *opened // of those who have the message face of its node open; under live.mu
}

// rare is what few open files have, and directories. Very many files may be open and only wait.
type rare struct {
	listing
	listed backends.Record // in the ledger: what is left of it
	holds  []uint64        // nodes, once it is closed and has something left to send
}

// seldom is what few open files have, made if there is none yet. The caller holds h.mu, or nobody else has h.
func (h *opened) seldom() *rare {
	if h.rare == nil {
		h.rare = &rare{}
	}
	return h.rare
}

// left is what is left of what it lists, and where that was read to its end.
func (h *opened) left() (names []nodes.Entry, ended uint64) {
	if h.rare == nil {
		return nil, 0
	}
	return h.rare.names, h.rare.ended
}

// maxHandles is how many files one user may have open. It only has to keep one user from taking the daemon's
// descriptors and memory from the others. RLIMIT_NOFILE bounds each process far below.
const maxHandles = 1 << 16

type handles struct {
	used *backends.Budget

	mu   sync.RWMutex
	all  map[uint64]*opened
	last uint64
	done map[uint64]uint64 // opened by an earlier process, by the request, which may come again, until closed

	changed changes
}

func newHandles() *handles {
	return &handles{all: map[uint64]*opened{}, used: backends.NewBudget(backends.Terms{
		Name: "open_files", Err: syscall.ENFILE,
	}, func(int64) backends.Bounds { return backends.EachMay(maxHandles) })}
}

// add numbers h, if its user has not too many.
func (t *handles) add(h *opened) error {
	if err := t.used.Take(h.Uid, 1); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	h.Num = t.last
	t.all[h.Num] = h
	t.changed.add(h.Num)
	return nil
}

// resume takes in h with the number that another process gave it, which had given numbers up to last.
func (t *handles) resume(h *opened, last uint64) {
	t.used.Add(h.Uid, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = max(t.last, last)
	t.all[h.Num] = h
	if h.Request != 0 {
		if t.done == nil {
			t.done = map[uint64]uint64{}
		}
		t.done[h.Request] = h.Num
	}
}

// by is what an earlier process has opened in a request; nil: nothing.
func (t *handles) by(request uint64) *opened {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.all[t.done[request]]
}

// HandleAt is an open file, and where it is.
type HandleAt struct {
	Fh, Node uint64
	Parent   uint64 // 0: it is not known
	Name     string
}

// OpenedIn finds the file that an earlier process has opened in a request.
func (t *Tree) OpenedIn(request uint64) (at HandleAt, ok bool) {
	h := t.handles.by(request)
	if h == nil {
		return at, false
	}
	n, _ := t.table.get(h.Node)
	return HandleAt{Fh: h.Num, Node: h.Node, Parent: n.Parent, Name: n.Name}, true
}

// note has f change the record of an open file, if there is one of this number.
func (t *handles) note(num uint64, f func(*Handle)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := t.all[num]; h != nil {
		f(&h.Handle)
		t.changed.add(num)
	}
}

// touch has the record of an open file written.
func (t *handles) touch(num uint64) { t.note(num, func(*Handle) {}) }

func (t *handles) get(num uint64) *opened {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.all[num]
}

// remove takes h out of the table; nil if it is not in it.
func (t *handles) remove(num uint64) *opened {
	h := t.take(num)
	if h == nil || t.changed.ledger == nil {
		return h
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone = true
	t.changed.ledger.Drop(&h.saved)
	if h.rare != nil {
		t.changed.ledger.Drop(&h.rare.listed)
	}
	if f, ok := h.open.(*nodes.File); ok {
		f.Ends()
	}
	return h
}

func (t *handles) take(num uint64) *opened {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.all[num]
	if h == nil {
		return nil
	}
	delete(t.all, num)
	delete(t.done, h.Request)
	t.used.Give(h.Uid, 1)
	return h
}

func (t *handles) count() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.all)
}
