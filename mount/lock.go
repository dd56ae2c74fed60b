package mount

import (
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/nodes"
)

// locking is a SETLKW. It waits at a gate of its own: those that ask for other bytes of the file do not wait
// for it.
type locking struct{ *fs.Locking }

func (locking) patience() time.Duration { return 0 }

func (locking) ended(error) {}

// lock answers a SETLKW, or parks it.
func (s *Session) lock(in *fuse.LkIn, out []byte) {
	l := locking{s.tree.Locking(in)}
	n, err := l.Try(out[headerSize:])
	if !nodes.Waits(err) {
		s.answer(out, in.Unique, n, err)
		return
	}
	s.guest(&parked{in: in.InHeader, op: l, tried: true}, err, out)
}
