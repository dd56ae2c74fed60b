package backends

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// procPath names the file open at fd (proc(5), /proc/PID/fd): a path
// that leads to that inode and to no other.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// maxRaces is how often OpenBeneath tries again. It is a bound against
// those who hold a lease (shm_lease.txtar).
const maxRaces = 16

// OpenBeneath is openat2(2): name is resolved below dir, through no symbolic link and no other mount, and
// O_NONBLOCK keeps a FIFO that somebody planted from blocking the open, and a lease (fcntl(2), F_SETLEASE)
// from letting it wait for its holder: EAGAIN, after the holder was told to give it up.
func OpenBeneath(dir int, name string, flags int, mode uint32) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC | unix.O_NOFOLLOW),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS,
	}
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
