package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/mount"
	"golang.org/x/sys/unix"
)

// advices say what a person can do about an error; MNT stands for the mount point.
var advices = []struct {
	err error
	say string
}{
	{mount.ErrDevicePerm, openToAll},
	{mount.ErrMountpoint, "mkdir MNT"},
	{mount.ErrNotEmpty, flagOf("nonempty") + " mounts over what is in it"},
	{mount.ErrMounted, "ipcfs umount MNT"},
	{fs.ErrLocked, "a second tree keeps its own: " + flagOf("state-dir") + " DIR"},
}

const (
	openToAll = "become root, or let all use it, as the package fuse3 does: chmod 666 /dev/fuse"
	install   = "install the package fuse3, whose fusermount3 mounts for users"
	runIt     = "have a private tree: ipcfs run -- COMMAND"
)

// advise adds what can be done to an error of mounting.
func (s *settings) advise(err error) error {
	if errors.Is(err, mount.ErrPermission) {
		_, missing := exec.LookPath("fusermount3")
		switch {
		case unix.Access("/dev/fuse", unix.R_OK|unix.W_OK) != nil:
			// fusermount3 opens it as the user, too.
			err = mount.ErrDevicePerm
		case s.private:
			return err
		case missing != nil:
			return fmt.Errorf("%w (%s, or %s)", err, install, runIt)
		default:
			return fmt.Errorf("%w (or %s)", err, runIt)
		}
	}
	if errors.Is(err, mount.ErrNoDevice) {
		return fmt.Errorf("%w (%s)", err, noDevice())
	}
	for _, a := range advices {
		if errors.Is(err, a.err) {
			return fmt.Errorf("%w (%s)", err, strings.ReplaceAll(a.say, "MNT", s.mountpoint))
		}
	}
	return err
}

// noDevice is what can be done where there is no /dev/fuse.
func noDevice() string {
	if !exists("/.dockerenv") && !exists("/run/.containerenv") && os.Getenv("container") == "" {
		return "modprobe fuse"
	}
	return "start the container with --device /dev/fuse --cap-add SYS_ADMIN, " +
		"or for `ipcfs run -- COMMAND` with --device /dev/fuse alone; where the machine has none: modprobe fuse"
}

// adviseState adds what can be done to an error of opening the state directory.
func (s *settings) adviseState(err error) error {
	with := flagOf("state-dir")
	if s.private {
		with = "TMPDIR"
	}
	for _, place := range []error{os.ErrPermission, syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, place) {
			return fmt.Errorf("%w (choose another directory with %s)", err, with)
		}
	}
	return s.advise(err)
}

// adviseNamespaces adds what can be done where a kernel refuses the private namespaces of `ipcfs run`.
func adviseNamespaces(err error) error {
	for _, errno := range []error{syscall.EPERM, syscall.EACCES, syscall.ENOSPC, syscall.EINVAL, syscall.EUSERS} {
		if errors.Is(err, errno) {
			return fmt.Errorf("no private namespaces: %w (user namespaces must be allowed: "+
				"sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, "+
				"kernel.apparmor_restrict_unprivileged_userns=0; those that the kernel has)", err)
		}
	}
	return fmt.Errorf("no private namespaces: %w", err)
}
