package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/nodes"
)

// memory is the one backing file of a shared memory object, for all who have it open: the kernel allows an
// inode one backing file, and either all opens of it are passthrough or none is (fs/fuse/iomode.c). join and
// leave are called with the node's lock held.
type memory struct {
	nodes.Memory
	holders int
	uid     uint32 // who pays for its descriptor
	backer  Backer // nil: the page cache of the mount carries the bytes
	id      int32
	failed  error // why the kernel did not take the backing file, if it was asked
}

// newMemory holds m once, for a user. One without a descriptor is not the kernel's to carry.
func newMemory(m nodes.Memory, uid uint32, b Backer) *memory {
	one := &memory{Memory: m, holders: 1, uid: uid}
	if b == nil || m.Fd() < 0 {
		return one
	}
	if one.id, one.failed = b.BackingOpen(m.Fd()); one.failed == nil {
		one.backer = b
	}
	return one
}

func (m *memory) join(flags uint32) error {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		if err := m.Writable(); err != nil {
			return err
		}
	}
	if flags&syscall.O_TRUNC != 0 {
		var none int64
		if err := m.Change(nodes.Change{Size: &none}); err != nil {
			return err
		}
	}
	m.holders++
	return nil
}

// leave gives up one hold and reports whether it was the last, which closes the file.
func (m *memory) leave() (last bool, err error) {
	if m.holders--; m.holders > 0 {
		return false, nil
	}
	if m.backer != nil {
		err = m.backer.BackingClose(m.id)
	}
	if e := m.Memory.Close(); err == nil {
		err = e
	}
	return true, err
}

func (m *memory) answer(out *fuse.OpenOut) {
	if m.backer != nil {
		out.OpenFlags, out.BackingID = fuse.FOPEN_PASSTHROUGH, m.id
	}
}
