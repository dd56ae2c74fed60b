package fs

import (
	"sync"

	"github.com/ipcfs/ipcfs/nodes"
)

// Handle is an open file or directory the kernel knows by number: plain data.
type Handle struct {
	Num      uint64
	Node     uint64
	Flags    uint32 // of open(2)
	Uid, Gid uint32 // who opened it,
	Pid      uint32 // a thread of theirs
}

// opened is what is open by a handle.
type opened struct {
	Handle
	open nodes.Open // a *nodes.File, Bytes, or *memory; nil for a directory
	list listing
	mu   sync.Mutex // of list
}

// maxHandles is how many files one user may have open. It only has to keep one user from taking the daemon's descriptors and memory
// from the others; RLIMIT_NOFILE bounds each of their processes far below.
const maxHandles = 1 << 16

type handles struct {
	mu    sync.RWMutex
	all   map[uint64]*opened
	byUid map[uint32]int
	last  uint64
}

func newHandles() *handles { return &handles{all: map[uint64]*opened{}, byUid: map[uint32]int{}} }

// add numbers h; false if its user has too many.
func (t *handles) add(h *opened) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byUid[h.Uid] >= maxHandles {
		return false
	}
	t.byUid[h.Uid]++
	t.last++
	h.Num = t.last
	t.all[h.Num] = h
	return true
}

func (t *handles) get(num uint64) *opened {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.all[num]
}

// remove takes h out of the table; nil if it is not in it.
func (t *handles) remove(num uint64) *opened {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.all[num]
	if h == nil {
		return nil
	}
	delete(t.all, num)
	if t.byUid[h.Uid]--; t.byUid[h.Uid] == 0 {
		delete(t.byUid, h.Uid)
	}
	return h
}

func (t *handles) count() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.all)
}
