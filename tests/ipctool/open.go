package ipctool

import (
	"strings"

	"golang.org/x/sys/unix"
)

var openFlags = map[string]int{
	"rdonly": unix.O_RDONLY, "wronly": unix.O_WRONLY, "rdwr": unix.O_RDWR, "nonblock": unix.O_NONBLOCK,
	"creat": unix.O_CREAT, "excl": unix.O_EXCL, "trunc": unix.O_TRUNC, "append": unix.O_APPEND,
	"direct": unix.O_DIRECT,
	"path":   unix.O_PATH,
}

// OpenFile opens path with flags as in "rdwr,nonblock".
func OpenFile(path, flags string) (int, error) {
	how, err := openMode(flags)
	if err != nil {
		return -1, err
	}
	return Retry(func() (int, error) { return unix.Open(path, how, 0666) })
}

// openMode is the flags of open(2).
func openMode(flags string) (int, error) {
	how := unix.O_CLOEXEC
	for f := range strings.SplitSeq(flags, ",") {
		bit, ok := openFlags[f]
		if !ok {
			return 0, errUsage
		}
		how |= bit
	}
	return how, nil
}

// setFlag changes a flag of the open file with fcntl(F_SETFL).
func setFlag(fd int, op string) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	switch op {
	case "nonblock":
		flags |= unix.O_NONBLOCK
	case "block":
		flags &^= unix.O_NONBLOCK
	case "packets":
		flags |= unix.O_DIRECT
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags)
	return err
}
