package socket

import (
	"runtime"
	"strconv"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// boundTypes are the types of socket a program may have bound, in the order they are tried.
var boundTypes = []int{unix.SOCK_STREAM, unix.SOCK_SEQPACKET, unix.SOCK_DGRAM}

// connectThrough connects to the socket bound at path in the file system that the daemon itself serves, in
// the name of who. It blocks while the rest of the daemon answers the kernel's lookups, and no longer: the
// socket does not block.
//
// A process that waits for its own file system must not keep it alive. The kernel ends the requests of a dead
// daemon when the last descriptor of the device is closed, and a thread in the middle of a request cannot be
// killed before that (fs/fuse/dev.c, request_wait_answer, Linux 6.18). If it shared the daemon's table of
// descriptors, kill -9 could leave both for ever: one in forty did. So the thread has a table of its own
// without the device in it (sock_bound.txtar), and ends afterwards. With a keeper its request is answered by
// the next worker, which is not to wait for the end of this thread: so the table has neither the link to the
// keeper nor the lock of the state directory (TestSocketStorm). It must not be in the others' way either: it
// holds no lock, and a thread in a system call keeps neither the garbage collector nor, with GOMAXPROCS=1,
// the rest of Go from running.
func connectThrough(root Root, path string, who backends.Cred, h *held) (fd int, err error) {
	for _, typ := range boundTypes {
		if fd, err = newSocket(unix.AF_UNIX, typ); err != nil {
			return -1, err
		}
		h.keep(fd)
		if err = onThreadOfItsOwn(func() error { return connectAlone(fd, root, path, who) }); err == nil {
			return fd, nil
		}
		_ = h.end(fd)
		if err != unix.EPROTOTYPE {
			break
		}
	}
	return -1, err
}

// onThreadOfItsOwn calls f on a thread that ends afterwards. It is never the main thread, which Go does not
// let end: what f did to it would stay, and be what /proc/self shows.
func onThreadOfItsOwn(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			done <- onThreadOfItsOwn(f) // elsewhere: this thread is taken
			runtime.UnlockOSThread()
			return
		}
		done <- f()
	}()
	return <-done
}

// connectAlone connects fd on a thread that does nothing else afterwards. Its table keeps a copy of all
// other descriptors: Go uses some of its own on any thread. So a connection that is closed meanwhile ends
// for its peer when this thread does, a moment later.
func connectAlone(fd int, root Root, path string, who backends.Cred) error {
	if err := unix.Unshare(unix.CLONE_FILES); err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, one := range root.Apart {
		if err := unix.Close(one); err != nil {
			return err
		}
	}
	// The way to the mount is the daemon's own, and not for who to be checked on. The mount is busy while
	// something of it is open.
	top, err := unix.Open(root.Path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(top)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(top, &fs); err != nil {
		return err
	}
	if fs.Type != unix.FUSE_SUPER_MAGIC {
		return unix.ENOTCONN // it was unmounted
	}
	return backends.As(who, 0, func() error { return connectNode(fd, top, path) })
}

func connectNode(fd, top int, path string) error {
	node, err := backends.OpenBeneath(top, path, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer unix.Close(node)
	st, err := backends.Fstat(node)
	if err != nil {
		return err
	}
	if st.Type() != unix.S_IFSOCK {
		return unix.ENOTSOCK
	}
	if typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err == nil && typ == unix.SOCK_DGRAM {
		// An address of its own, for answers (autobind, unix(7)).
		if err := unix.Bind(fd, &unix.SockaddrUnix{}); err != nil {
			return err
		}
	}
	// By this name it is the same node, whatever happens to its own, and no name is too long.
	to := &unix.SockaddrUnix{Name: "/proc/thread-self/fd/" + strconv.Itoa(node)}
	for {
		err := unix.Connect(fd, to)
		backends.Point("dialled")
		if err != unix.EINTR {
			return err
		}
	}
}
