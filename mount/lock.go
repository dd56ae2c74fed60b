package mount

import (
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/nodes"
)

// locking is a SETLKW. It waits at a gate of its own: those that ask for other bytes of the file do not wait
// for it.
type locking struct {
	*fs.Locking
	s    *Session
	gate *gate
}

func (*locking) patience() time.Duration { return 0 }

func (l *locking) ended(error) { l.s.leave(l.gate) }

// lock answers a SETLKW, or parks it.
func (s *Session) lock(in *fuse.LkIn, out []byte) {
	l := &locking{Locking: s.tree.Locking(in), s: s}
	n, err := l.Try(out[headerSize:])
	if !nodes.Waits(err) {
		s.answer(out, in.Unique, n, err)
		return
	}
	w, _ := l.For()
	l.gate = s.join(w)
	l.gate.mu.Lock()
	defer l.gate.mu.Unlock()
	l.gate.wait(&parked{in: in.InHeader, op: l, tried: true}, err, out)
	l.gate.arm()
}
