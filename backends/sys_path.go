package backends

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// procPath names the file open at fd (proc(5), /proc/PID/fd): a path that leads to that inode and to no
// other.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// maxRaces is how often OpenBeneath tries again. It is a bound against those who hold a lease
// (shm_lease.txtar).
const maxRaces = 16

// beneath is how OpenBeneath and OpenCached resolve names.
const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV |
	unix.RESOLVE_NO_MAGICLINKS

// OpenBeneath is openat2(2): name is resolved below dir, through no symbolic link and no other mount, and
// O_NONBLOCK keeps a FIFO that somebody planted from blocking the open, and a lease (fcntl(2), F_SETLEASE)
// from letting it wait for its holder: EAGAIN, after the holder was told to give it up.
func OpenBeneath(dir int, name string, flags int, mode uint32) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC | unix.O_NOFOLLOW), Resolve: beneath}
	if flags&unix.O_CREAT != 0 {
		how.Mode = uint64(mode)
	}
	if flags&unix.O_PATH == 0 {
		how.Flags |= unix.O_NONBLOCK
	}
	for tries := 0; ; {
		fd, err := unix.Openat2(dir, name, &how)
		switch {
		case err == unix.EINTR:
			continue
		// a rename raced with the resolution (openat2(2)), or there is a lease
		case err == unix.EAGAIN && tries < maxRaces:
			tries++
			continue
		}
		return fd, err
	}
}

// OpenCached opens a name in a directory of a file system that is nothing but what the kernel has in its
// cache (mqueue): what is not there is not at all, ENOENT. It takes no lock of the directory, which others
// hold as long as they like, as somebody does who lists it into memory whose pages never come
// (queue_locked.txtar).
func OpenCached(dir int, name string, flags int) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC | unix.O_NOFOLLOW),
		Resolve: beneath | resolveCached,
	}
	for tries := 0; ; {
		fd, err := unix.Openat2(dir, name, &how)
		switch {
		case err == unix.EINTR:
			continue
		// it is not there; or a rename or a mount elsewhere, which is over now, kept it from being found
		case err == unix.EAGAIN && tries < maxMisses:
			tries++
			continue
		case err == unix.EAGAIN:
			err = unix.ENOENT
		}
		return fd, err
	}
}

// resolveCached is RESOLVE_CACHED (openat2(2), Linux 5.12), which x/sys does not name.
const resolveCached = 0x20

// maxMisses is how often OpenCached looks again.
const maxMisses = 7
