package mount

import (
	"fmt"
	"os"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Floor is the least a FUSE daemon can do, for benchmarks: one file, FloorName, that is read and written past the page cache. A write is
// accepted, a read is answered with as many bytes as were asked for, in the loop that reads the requests, and nothing else happens: no
// lookup of the open file, no lock, no object. What is left is what the kernel takes to bring a request to another process and its
// answer back, twice for a write and a read. No face of a file that a daemon serves can cost less.
type Floor struct{ dev device }

// FloorName is the file of a Floor.
const FloorName = "data"

const floorNode = 2

// NewFloor mounts a floor at dir with mount(2).
func NewFloor(dir string) (*Floor, error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/fuse: %w", err)
	}
	data := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d", fd, os.Geteuid(), os.Getegid())
	if err := unix.Mount("floor", dir, "fuse.floor", unix.MS_NOSUID|unix.MS_NODEV, data); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("mount: %w", err)
	}
	return &Floor{device{fd}}, nil
}

// Serve answers requests until the file is closed. It blocks its thread and Go's processor with it.
func (f *Floor) Serve() error {
	in, out := make([]byte, bufferSize), make([]byte, bufferSize)
	head := as[fuse.OutHeader](out)
	body := unsafe.Pointer(&out[headerSize])
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(f.dev.fd), uintptr(unsafe.Pointer(&in[0])), uintptr(len(in)))
		if errno == unix.ENOENT {
			continue // the request was interrupted before it was taken
		} else if errno != 0 {
			return fmt.Errorf("reading /dev/fuse: %w", errno)
		}
		h := as[fuse.InHeader](in)
		*head = fuse.OutHeader{Unique: h.Unique}
		size := uintptr(0)
		switch h.Opcode {
		case opRead:
			size = uintptr(as[fuse.ReadIn](in).Size)
		case opWrite:
			*(*fuse.WriteOut)(body) = fuse.WriteOut{Size: as[fuse.WriteIn](in).Size}
			size = unsafe.Sizeof(fuse.WriteOut{})
		case opForget, opBatchForget:
			continue
		default:
			size = floorAnswer(h, head, body)
		}
		head.Length = uint32(uintptr(headerSize) + size)
		if err := f.dev.write(out[:head.Length]); err != nil {
			return fmt.Errorf("writing /dev/fuse: %w", err)
		}
		if h.Opcode == opRelease {
			return nil
		}
	}
}

// floorAnswer answers what comes once, and returns the size of the answer's body.
func floorAnswer(h *fuse.InHeader, head *fuse.OutHeader, body unsafe.Pointer) uintptr {
	switch h.Opcode {
	case opInit:
		in := (*fuse.InitIn)(unsafe.Pointer(h))
		*(*fuse.InitOut)(body) = fuse.InitOut{Major: 7, Minor: min(in.Minor, 31), MaxWrite: maxWrite, MaxReadAhead: in.MaxReadAhead,
			Flags: fuse.CAP_BIG_WRITES | fuse.CAP_MAX_PAGES, MaxPages: maxWrite / 4096}
		return unsafe.Sizeof(fuse.InitOut{})
	case opLookup:
		*(*fuse.EntryOut)(body) = fuse.EntryOut{NodeId: floorNode, AttrValid: 1, EntryValid: 1, Attr: floorAttr(floorNode)}
		return unsafe.Sizeof(fuse.EntryOut{})
	case opGetattr:
		*(*fuse.AttrOut)(body) = fuse.AttrOut{AttrValid: 1, Attr: floorAttr(h.NodeId)}
		return unsafe.Sizeof(fuse.AttrOut{})
	case opOpen:
		*(*fuse.OpenOut)(body) = fuse.OpenOut{OpenFlags: fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NONSEEKABLE | fuse.FOPEN_NOFLUSH}
		return unsafe.Sizeof(fuse.OpenOut{})
	case opRelease:
		return 0
	}
	head.Status = -int32(unix.EOPNOTSUPP)
	return 0
}

func floorAttr(node uint64) fuse.Attr {
	a := fuse.Attr{Ino: node, Mode: unix.S_IFREG | 0666, Nlink: 1, Owner: fuse.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}}
	if node == fuse.FUSE_ROOT_ID {
		a.Mode = unix.S_IFDIR | 0755
	}
	return a
}
