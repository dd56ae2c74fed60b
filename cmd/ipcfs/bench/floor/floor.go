// Package floor is the least that a FUSE daemon can do, for benchmarks: one file, that is read and written
// past the page cache. A write is accepted, a read is answered with as many bytes as were asked for, in the
// loop that reads the requests, and nothing else happens: no lookup of the open file, no lock, no object.
// What is left is the time that the kernel takes to bring a request to another process and the answer back,
// twice for a write and a read. No face of a file that a daemon serves can cost less.
//
// Its caller is ipcfs bench, in a process of its own. Errors are those of the
// system calls. A Daemon is for one goroutine.
package floor

import (
	"fmt"
	"os"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// A Daemon serves a mount with nothing but File in it.
type Daemon struct{ fd int } // of /dev/fuse

// File is the name of the one file.
const File = "data"

// Numbers of linux/fuse.h that go-fuse does not export.
const (
	opLookup      = 1
	opForget      = 2
	opGetattr     = 3
	opOpen        = 14
	opRead        = 15
	opWrite       = 16
	opRelease     = 18
	opInit        = 26
	opBatchForget = 42
)

const (
	node       = 2       // of File
	maxWrite   = 1 << 20 // bytes of the largest READ or WRITE
	headerSize = unsafe.Sizeof(fuse.OutHeader{})
	bufferSize = maxWrite + 4096 // of a request or an answer with its headers
)

// Mount mounts a floor at dir with mount(2), which takes CAP_SYS_ADMIN.
func Mount(dir string) (*Daemon, error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/fuse: %w", err)
	}
	data := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d", fd, os.Geteuid(), os.Getegid())
	if err := unix.Mount("floor", dir, "fuse.floor", unix.MS_NOSUID|unix.MS_NODEV, data); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("mount: %w", err)
	}
	return &Daemon{fd}, nil
}

// Serve answers requests until File is closed. It blocks its thread, and Go's processor with it.
func (d *Daemon) Serve() error {
	in, out := make([]byte, bufferSize), make([]byte, bufferSize)
	head := (*fuse.OutHeader)(unsafe.Pointer(&out[0]))
	body := unsafe.Pointer(&out[headerSize])
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(d.fd), uintptr(unsafe.Pointer(&in[0])),
			uintptr(len(in)))
		if errno == unix.ENOENT {
			continue // the request was interrupted before it was taken
		} else if errno != 0 {
			return fmt.Errorf("reading /dev/fuse: %w", errno)
		}
		h := (*fuse.InHeader)(unsafe.Pointer(&in[0]))
		*head = fuse.OutHeader{Unique: h.Unique}
		size := uintptr(0)
		switch h.Opcode {
		case opRead:
			size = uintptr((*fuse.ReadIn)(unsafe.Pointer(h)).Size)
		case opWrite:
			*(*fuse.WriteOut)(body) = fuse.WriteOut{Size: (*fuse.WriteIn)(unsafe.Pointer(h)).Size}
			size = unsafe.Sizeof(fuse.WriteOut{})
		case opForget, opBatchForget:
			continue
		default:
			size = answer(h, head, body)
		}
		head.Length = uint32(headerSize + size)
		_, _, errno = unix.RawSyscall(unix.SYS_WRITE, uintptr(d.fd), uintptr(unsafe.Pointer(&out[0])),
			uintptr(head.Length))
		if errno != 0 {
			return fmt.Errorf("writing /dev/fuse: %w", errno)
		}
		if h.Opcode == opRelease {
			return nil
		}
	}
}

// answer answers what comes once, and returns the size of the answer's body.
func answer(h *fuse.InHeader, head *fuse.OutHeader, body unsafe.Pointer) uintptr {
	switch h.Opcode {
	case opInit:
		in := (*fuse.InitIn)(unsafe.Pointer(h))
		*(*fuse.InitOut)(body) = fuse.InitOut{
			Major: 7, Minor: min(in.Minor, 31), MaxWrite: maxWrite, MaxReadAhead: in.MaxReadAhead,
			Flags: fuse.CAP_BIG_WRITES | fuse.CAP_MAX_PAGES, MaxPages: maxWrite / 4096,
		}
		return unsafe.Sizeof(fuse.InitOut{})
	case opLookup:
		*(*fuse.EntryOut)(body) = fuse.EntryOut{NodeId: node, AttrValid: 1, EntryValid: 1, Attr: attr(node)}
		return unsafe.Sizeof(fuse.EntryOut{})
	case opGetattr:
		*(*fuse.AttrOut)(body) = fuse.AttrOut{AttrValid: 1, Attr: attr(h.NodeId)}
		return unsafe.Sizeof(fuse.AttrOut{})
	case opOpen:
		*(*fuse.OpenOut)(body) = fuse.OpenOut{
			OpenFlags: fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NONSEEKABLE | fuse.FOPEN_NOFLUSH,
		}
		return unsafe.Sizeof(fuse.OpenOut{})
	case opRelease:
		return 0
	}
	head.Status = -int32(unix.EOPNOTSUPP)
	return 0
}

func attr(id uint64) fuse.Attr {
	a := fuse.Attr{
		Ino: id, Mode: unix.S_IFREG | 0666, Nlink: 1,
		Owner: fuse.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())},
	}
	if id == fuse.FUSE_ROOT_ID {
		a.Mode = unix.S_IFDIR | 0755
	}
	return a
}
