package ipctool

import (
	"os"
	"runtime/debug"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// aside reads N bytes of a file in a way other than read(2), and shows what came of it. It waits
// for nothing where Linux makes it a read of the page cache.
func aside(c Cue) (Take, error) {
	switch c.Op {
	case "fadvise":
		return Take{}, unix.Fadvise(c.FD, 0, int64(c.N), unix.FADV_WILLNEED)
	case "readahead":
		_, _, errno := unix.Syscall(unix.SYS_READAHEAD, uintptr(c.FD), 0, uintptr(c.N))
		return Take{}, errnoOf(errno)
	case "sendfile":
		return throughPipe(c, func(pipe int) (int, error) { return unix.Sendfile(pipe, c.FD, nil, c.N) })
	case "splice":
		return throughPipe(c, func(pipe int) (int, error) {
			n, err := unix.Splice(c.FD, nil, pipe, nil, c.N, 0)
			return int(n), err
		})
	case "splice-in": // Data goes into a pipe and from there into the file
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			return Take{}, err
		}
		defer unix.Close(p[0])
		defer unix.Close(p[1])
		if _, err := unix.Write(p[1], c.Data); err != nil {
			return Take{}, err
		}
		n, err := unix.Splice(p[0], nil, c.FD, nil, len(c.Data), 0)
		return Take{N: int(n)}, err
	case "copy": // to the file Path
		fd, err := OpenFile(c.Path, "wronly,creat,trunc")
		if err != nil {
			return Take{}, err
		}
		defer unix.Close(fd)
		n, err := unix.CopyFileRange(c.FD, nil, fd, nil, c.N, 0)
		return Take{N: n}, err
	case "private":
		return private(c)
	case "getflags": // FS_IOC_GETFLAGS
		_, err := unix.IoctlGetInt(c.FD, unix.FS_IOC_GETFLAGS)
		return Take{}, err
	}
	return Take{}, errUsage
}

func errnoOf(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// throughPipe shows what the call by brings into a pipe.
func throughPipe(c Cue, by func(pipe int) (int, error)) (Take, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return Take{}, err
	}
	defer r.Close()
	defer w.Close()
	n, err := by(int(w.Fd()))
	if err != nil || n <= 0 {
		return Take{N: n}, err
	}
	buf := make([]byte, n)
	n, err = r.Read(buf)
	return Take{N: n, Data: buf[:max(n, 0)]}, err
}

// private maps the file and looks at the first byte: EFAULT stands for the
// signal that a program gets where there is nothing.
func private(c Cue) (t Take, err error) {
	m, err := unix.Mmap(c.FD, 0, c.N, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return Take{}, err
	}
	defer unix.Munmap(m)
	defer func() {
		if recover() != nil {
			err = unix.EFAULT
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return Take{Data: []byte{*(*byte)(unsafe.Pointer(&m[0]))}}, nil
}
