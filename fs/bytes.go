package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/nodes"
)

// Read is pread(2) of addressed bytes: shared memory without passthrough, and control files.
func (t *Tree) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	b, status := t.bytes(in.Fh)
	if !status.Ok() {
		return nil, status
	}
	n, err := b.ReadAt(buf[:min(int(in.Size), len(buf))], int64(in.Offset))
	if err != nil {
		return nil, fuse.Status(nodes.Errno(err))
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

// Write is pwrite(2) of addressed bytes. What there is no room for shows in how many were written; but when
// the kernel writes back its page cache it heeds only an error, and would forget the rest
// (fuse_writepage_end, fs/fuse/file.c).
func (t *Tree) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	b, status := t.bytes(in.Fh)
	if !status.Ok() {
		return 0, status
	}
	done := 0
	for {
		n, err := b.WriteAt(data[done:], int64(in.Offset)+int64(done))
		done += max(n, 0)
		switch {
		case err != nil && (done == 0 || in.WriteFlags&fuse.WRITE_CACHE != 0):
			return 0, t.failWrite(in.Fh, err)
		case err != nil || n <= 0 || done == len(data):
			return uint32(done), fuse.OK
		}
	}
}

// failWrite is failAt for a write by an open file.
func (t *Tree) failWrite(fh uint64, err error) fuse.Status {
	if h := t.handles.get(fh); h != nil {
		if n, ok := t.table.get(h.Node); ok {
			return t.failAt(h.Uid, "write", n, "", err)
		}
	}
	return t.fail(err)
}

// Writev is Write of data in pieces, which package mount does not send.
func (t *Tree) Writev(c <-chan struct{}, in *fuse.WriteIn, data [][]byte) (uint32, fuse.Status) {
	if len(data) != 1 {
		return 0, fuse.EIO
	}
	return t.Write(c, in, data[0])
}

func (t *Tree) bytes(fh uint64) (nodes.Bytes, fuse.Status) {
	h := t.handles.get(fh)
	if h == nil {
		return nil, fuse.EBADF
	}
	b, ok := h.open.(nodes.Bytes)
	if !ok {
		return nil, fuse.EINVAL
	}
	return b, fuse.OK
}

func (t *Tree) memory(fh uint64) *memory {
	h := t.handles.get(fh)
	if h == nil {
		return nil
	}
	m, _ := h.open.(*memory)
	return m
}

// Fallocate is fallocate(2).
func (t *Tree) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	m := t.memory(in.Fh)
	if m == nil {
		return fuse.Status(syscall.EOPNOTSUPP)
	}
	return fuse.Status(nodes.Errno(m.Allocate(in.Mode, int64(in.Offset), int64(in.Length))))
}

// Lseek is lseek(2) with SEEK_DATA and SEEK_HOLE; the kernel does the others itself.
func (t *Tree) Lseek(_ <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	m := t.memory(in.Fh)
	if m == nil {
		return fuse.EINVAL
	}
	at, err := m.Seek(int64(in.Offset), int(in.Whence))
	out.Offset = uint64(at)
	return fuse.Status(nodes.Errno(err))
}

// CopyFileRange is refused for the kernel to copy by itself (EOPNOTSUPP). For a message face EINVAL makes
// programs read and write, which keeps one message one.
func (t *Tree) CopyFileRange(_ <-chan struct{}, in *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	if t.memory(in.FhIn) == nil || t.memory(in.FhOut) == nil {
		return 0, fuse.EINVAL
	}
	return 0, fuse.Status(syscall.EOPNOTSUPP)
}

// Fsync is fsync(2) of addressed bytes; messages are in the kernel's memory.
func (t *Tree) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	if m := t.memory(in.Fh); m != nil {
		return fuse.Status(nodes.Errno(m.Sync()))
	}
	return fuse.OK
}

// Ioctl knows no requests: isatty(3) and its like are told so.
func (t *Tree) Ioctl(<-chan struct{}, *fuse.IoctlIn, []byte, *fuse.IoctlOut, []byte) fuse.Status {
	return fuse.Status(syscall.ENOTTY)
}
