package mount

import (
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
)

// late counts the requests that lost the lead and are still under way, by user. Each has a goroutine and a
// thread. What they wait for is a lock inside the kernel that their user may hold as long as they like: that
// of a directory of theirs in /dev/shm where a name is to be looked up, that of a file that is to be changed.
// So there are bounds: what is more is for workers, and waits as plain data (dir_locked.txtar).
type late struct {
	workers *backends.Workers

	mu  sync.Mutex
	all map[uint64]bool // by number; true: it was interrupted
	by  map[uint32]int
}

// How many requests, of one user and of all, go on by themselves after they lost the lead.
const (
	maxLateUid = 16
	maxLate    = 256
)

func newLate(w *backends.Workers) *late {
	return &late{workers: w, all: map[uint64]bool{}, by: map[uint32]int{}}
}

// begin is called when a user's request is about to lose the lead.
func (l *late) begin(unique uint64, uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all[unique] = false
	l.by[uid]++
}

// end is called when it is answered, or waits. It reports whether it was interrupted meanwhile, by when it
// may not have waited yet.
func (l *late) end(unique uint64, uid uint32) (interrupted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	interrupted = l.all[unique]
	delete(l.all, unique)
	if l.by[uid]--; l.by[uid] == 0 {
		delete(l.by, uid)
	}
	return interrupted
}

// interrupt notes that a request is interrupted, if it is one of them.
func (l *late) interrupt(unique uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.all[unique]; ok {
		l.all[unique] = true
	}
}

// full reports whether what a user asks for that may take long is for the workers.
func (l *late) full(uid uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all) >= maxLate || l.by[uid] >= maxLateUid
}

// tooLate tells a request, of those that may take long, that is for the workers as too many do. What is not
// awaited, or answered in order, is not.
func (s *Session) tooLate(req []byte) bool {
	h := as[fuse.InHeader](req)
	switch h.Opcode {
	case opRelease, opReleasedir, opSetlkw:
		return false
	}
	return s.late.full(h.Uid)
}

// handleLate has workers answer a request.
func (s *Session) handleLate(req, out []byte) {
	s.goOnAfter(req)
	if as[fuse.InHeader](req).Opcode == opOpen {
		s.open(as[fuse.OpenIn](req), s.late.workers, out)
		return
	}
	s.setAside(req, false, s.late.workers, out)
}
