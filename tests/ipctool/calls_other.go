//go:build !amd64

package ipctool

import "golang.org/x/sys/unix"

// Newer machines have only these calls.
const (
	sysPoll      = unix.SYS_PPOLL
	sysSelect    = unix.SYS_PSELECT6
	sysEpollWait = unix.SYS_EPOLL_PWAIT
)
