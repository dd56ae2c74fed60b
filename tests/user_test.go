package tests

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// The ordinary users of the tests; root can become any.
var ordinary = []int{1000, 1001}

// letUsersIn makes the namespaces of the tests what a machine with the package fuse3 is:
// /dev/fuse is open to all, and the ordinary users have names, without which fusermount3 mounts
// nothing for them. Only root can do so, with mknod(2).
func letUsersIn() error {
	dir, err := os.MkdirTemp("", "dev")
	if err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID, "mode=0755,size=64k"); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat("/dev/fuse", &st); err != nil {
		return err
	}
	device, passwd := filepath.Join(dir, "fuse"), filepath.Join(dir, "passwd")
	if err := unix.Mknod(device, unix.S_IFCHR|0666, int(st.Rdev)); err != nil {
		return fmt.Errorf("mknod: %w", err)
	}
	text, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return err
	}
	for _, id := range ordinary {
		if _, err := user.LookupId(strconv.Itoa(id)); err != nil {
			text = fmt.Appendf(text, "ipcfs-%d:x:%d:%d::/:/bin/sh\n", id, id, id)
		}
	}
	return errors.Join(
		os.Chmod(device, 0666), // whatever the umask
		os.WriteFile(passwd, text, 0644),
		unix.Mount(device, "/dev/fuse", "", unix.MS_BIND, ""),
		unix.Mount(passwd, "/etc/passwd", "", unix.MS_BIND, ""))
}

// haveUsers reports whether there are other users than the one who runs the tests, and they may mount.
func haveUsers() bool {
	root, err := realRoot()
	var st unix.Stat_t
	return err == nil && root && unix.Stat("/dev/fuse", &st) == nil && st.Mode&0006 == 0006
}

// userTree is bareTree for a test of what an ordinary user sees.
func userTree(t *testing.T) *tree {
	t.Helper()
	if !haveUsers() {
		t.Skip("only root can become another user, and make a device that is open to him (mknod)")
	}
	return bareTree(t)
}
