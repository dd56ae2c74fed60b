package backends

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrnoName is the name of an errno (errno(3)), as ENOENT; "" if it has none.
func ErrnoName(errno syscall.Errno) string { return unix.ErrnoName(errno) }
