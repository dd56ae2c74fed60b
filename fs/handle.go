package fs

import (
	"sync"

	"github.com/ipcfs/ipcfs/nodes"
)

// Handle is an open file or directory the kernel knows by number: plain data beside what is open.
type Handle struct {
	num   uint64
	node  *node
	flags uint32
	uid   uint32
	open  nodes.Open // a *nodes.File, Bytes, or *memory; nil for a directory
	list  []nodes.Entry
}

// maxHandles is how many files one user may have open. It only has to keep one user from taking the daemon's descriptors and memory
// from the others; RLIMIT_NOFILE bounds each of his processes far below.
const maxHandles = 1 << 16

type handles struct {
	mu    sync.RWMutex
	all   map[uint64]*Handle
	byUid map[uint32]int
	last  uint64
}

func newHandles() *handles { return &handles{all: map[uint64]*Handle{}, byUid: map[uint32]int{}} }

// add numbers h; false if its user has too many.
func (t *handles) add(h *Handle) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byUid[h.uid] >= maxHandles {
		return false
	}
	t.byUid[h.uid]++
	t.last++
	h.num = t.last
	t.all[h.num] = h
	return true
}

func (t *handles) get(num uint64) *Handle {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.all[num]
}

// remove takes h out of the table; nil if it is not in it.
func (t *handles) remove(num uint64) *Handle {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.all[num]
	if h == nil {
		return nil
	}
	delete(t.all, num)
	if t.byUid[h.uid]--; t.byUid[h.uid] == 0 {
		delete(t.byUid, h.uid)
	}
	return h
}

func (t *handles) count() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.all)
}
