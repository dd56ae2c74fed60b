package backends

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrnoName is the name of an errno (errno(3)), as ENOENT; "" if it has none.
func ErrnoName(errno syscall.Errno) string { return unix.ErrnoName(errno) }

// IsGone reports whether an error says that the name of an object is gone, or another one's.
func IsGone(err error) bool { return err == unix.ENOENT || err == unix.ENOTDIR || err == unix.ESTALE }
