package bench

import (
	"fmt"
	"os"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// The floor is the least a FUSE daemon can do: one file, data, that is read and written past the page cache. A write is accepted, a read is
// answered with as many bytes as were asked for, in the loop that reads the requests, and nothing else happens: no lookup of the open
// file, no lock, no object. What is left is what the kernel takes to bring a request to another process and its answer back, twice for
// a write and a read. No face of a file that a daemon serves can cost less.

const (
	floorNode  = 2
	floorName  = "data"
	floorSize  = 1 << 20 // of the largest request or answer
	floorExtra = 4096    // for headers
)

// The requests a floor knows (include/uapi/linux/fuse.h).
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

// floor mounts a floor at dir, in a mount namespace of this process alone, and runs a peer that does count writes and reads of size bytes
// there.
func floor(dir, size, count string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/fuse: %w", err)
	}
	data := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d", fd, os.Geteuid(), os.Getegid())
	if err := unix.Mount("floor", dir, "fuse.floor", unix.MS_NOSUID|unix.MS_NODEV, data); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	args := []string{os.Args[0], os.Args[1], "peer", "solo", "file", dir + "/" + floorName, size, count}
	client, err := os.StartProcess("/proc/self/exe", args, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		return err
	}
	// Until the file is closed: the client is about to end then, or has ended.
	if err := serveFloor(fd); err != nil {
		return err
	}
	state, err := client.Wait()
	if err == nil && !state.Success() {
		err = fmt.Errorf("peer: %s", state)
	}
	return err
}

// serveFloor answers requests until the file is closed.
func serveFloor(fd int) error {
	in, out := make([]byte, floorSize+floorExtra), make([]byte, floorSize+floorExtra)
	head := (*fuse.OutHeader)(unsafe.Pointer(&out[0]))
	body := unsafe.Pointer(&out[unsafe.Sizeof(*head)])
	for {
		if _, err := rawRead(fd, in); err == unix.ENOENT {
			continue // the request was interrupted before it was taken
		} else if err != nil {
			return fmt.Errorf("reading /dev/fuse: %w", err)
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
			size = floorAnswer(h, head, body)
		}
		head.Length = uint32(unsafe.Sizeof(*head) + size)
		if _, err := rawWrite(fd, out[:head.Length]); err != nil {
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
		*(*fuse.InitOut)(body) = fuse.InitOut{Major: 7, Minor: min(in.Minor, 31), MaxWrite: floorSize, MaxReadAhead: in.MaxReadAhead,
			Flags: fuse.CAP_BIG_WRITES | fuse.CAP_MAX_PAGES, MaxPages: floorSize / 4096}
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
