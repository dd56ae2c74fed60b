package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ipcfs/ipcfs/mount"
	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// ours reports whether a mount is an ipcfs tree.
func ours(m *mountinfo.Info) bool { return m.FSType == "fuse.ipcfs" }

// mountAt finds the uppermost mount at path, nil if there is none. As resolve, it asks nothing of
// the file system mounted there, which may be dead or hang: O_PATH opens without a request, and
// the kernel knows the path of the descriptor.
func mountAt(path string) (*mountinfo.Info, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if m, err := mount.Uppermost(path); m != nil || err != nil {
		return m, err
	}
	real, err := resolve(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return mount.Uppermost(real)
}

// resolve is a path without symbolic links, as the kernel has it of a mount.
func resolve(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
}

// mounted reports whether m is still there.
func mounted(m *mountinfo.Info) bool {
	list, err := mountinfo.GetMounts(func(e *mountinfo.Info) (skip, stop bool) {
		return e.ID != m.ID || e.Mountpoint != m.Mountpoint, false
	})
	return err != nil || len(list) > 0
}

// awaitUnmount waits until m is no longer mounted and the process of pidfd (pidfd_open(2); -1:
// none) has ended. It reports whether that happened in time.
func awaitUnmount(m *mountinfo.Info, pidfd int, limit time.Duration) bool {
	// poll tells of every change since the last poll (proc_pid_mounts(5)).
	changes, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	defer changes.Close()
	fds := []unix.PollFd{{Fd: int32(changes.Fd()), Events: unix.POLLPRI}, {Fd: int32(pidfd), Events: unix.POLLIN}}
	for end := time.Now().Add(limit); ; {
		if !mounted(m) {
			fds[0].Fd = -1
		}
		if fds[0].Fd < 0 && fds[1].Fd < 0 {
			return true
		}
		left := time.Until(end)
		if left <= 0 {
			return false
		}
		if _, err := unix.Poll(fds, int(left.Milliseconds())+1); err != nil && err != unix.EINTR {
			return false
		}
		if fds[1].Revents != 0 {
			fds[1].Fd = -1
		}
	}
}
