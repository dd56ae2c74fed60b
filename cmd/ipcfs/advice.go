package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
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
	{mount.ErrMountpoint, "mkdir MNT"},
	{mount.ErrNotEmpty, flagOf("nonempty") + " mounts over what is in it"},
	{mount.ErrMounted, "ipcfs umount MNT"},
	{fs.ErrLocked, "a second tree keeps its own: " + flagOf("state-dir") + " DIR"},
}

const (
	install = "install the package fuse3, whose fusermount3 mounts for users"
	runIt   = "have a private tree: ipcfs run -- COMMAND"
)

// advise adds what can be done to an error of mounting.
func (s *settings) advise(err error) error {
	if errors.Is(err, mount.ErrPermission) {
		switch {
		case unix.Access("/dev/fuse", unix.R_OK|unix.W_OK) != nil:
			// fusermount3 opens it as the user, too.
			err = mount.ErrDevicePerm
		case s.private && !contained():
			return err
		case s.private:
			return fmt.Errorf("%w (%s)", err, howToMount())
		case howToMount() == "":
			return fmt.Errorf("%w (or %s)", err, runIt)
		default:
			return fmt.Errorf("%w (%s, or %s)", err, howToMount(), runIt)
		}
	}
	switch {
	case errors.Is(err, mount.ErrDevicePerm):
		return fmt.Errorf("%w (%s)", err, openDevice())
	case errors.Is(err, mount.ErrNoDevice):
		return fmt.Errorf("%w (%s)", err, noDevice())
	case errors.Is(err, fs.ErrLocked) && s.isDetached():
		return fmt.Errorf("%w (it was unmounted here, and others still have the tree, as a container may: "+
			"ipcfs umount --force %s)", err, s.mountpoint)
	}
	for _, a := range advices {
		if errors.Is(err, a.err) {
			return fmt.Errorf("%w (%s)", err, strings.ReplaceAll(a.say, "MNT", s.mountpoint))
		}
	}
	return err
}

// howToMount is what lets this user mount, with mount(2) or fusermount3; "" if that is not known.
func howToMount() string {
	_, missing := exec.LookPath("fusermount3")
	why, mend := whyNoHelper()
	switch user := os.Geteuid() != 0; {
	case user && missing == nil && why == "" && nameless():
		return nameUser()
	case !contained() && missing != nil:
		return install
	case !contained():
		return ""
	case hasCapability(unix.CAP_SYS_ADMIN):
		return startWith + "--security-opt apparmor=unconfined, or label=disable where SELinux is"
	case user && missing != nil && why == "":
		return install
	case user && missing != nil:
		return startWith + asMounter + ", and be root in it, or have the package fuse3 in its image"
	case user && why != "":
		return mend
	}
	return mendMounting()
}

// isDetached reports whether a daemon serves the mount point that was unmounted, but not by all who have it.
func (s *settings) isDetached() bool {
	return slices.ContainsFunc(daemonsAt(s.mountpoint), func(pid int) bool { return pid != os.Getppid() })
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
	what := fmt.Errorf("no private namespaces: %w", err)
	refused := slices.ContainsFunc([]error{syscall.EPERM, syscall.EACCES, syscall.ENOSPC, syscall.EINVAL, syscall.EUSERS},
		func(errno error) bool { return errors.Is(err, errno) })
	switch {
	case !refused:
		return what
	case contained() && os.Geteuid() == 0 && !hasCapability(unix.CAP_SETFCAP) && !hasCapability(unix.CAP_SYS_ADMIN):
		// user_namespaces(7): who maps root has to have it.
		return fmt.Errorf("%w (%s--cap-add SETFCAP, or as another user than root: --user; if that is not all, with %s)",
			what, startWith, asRunner)
	case contained():
		return fmt.Errorf("%w (%s%s; on the machine %s)", what, startWith, asRunner, allowUsers)
	}
	return fmt.Errorf("%w (%s)", what, allowUsers)
}

const allowUsers = "user namespaces must be allowed: sysctl kernel.unprivileged_userns_clone=1, " +
	"user.max_user_namespaces above 0, kernel.apparmor_restrict_unprivileged_userns=0; those that the kernel has"
