package tests

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// fusermount is how an ordinary user of most machines mounts.
var fusermount = flag.Bool("fusermount", false,
	"run the scripts as an ordinary user, who mounts through fusermount3; root does it")

// becomeUser makes the thread of the goroutine that made the tree, and all that is started
// there, an ordinary user's, and the tree, too (TestScript -fusermount). All other threads stay
// root's. The raw calls are those of one thread (nptl(7)).
func (t *tree) becomeUser() error {
	// A machine that systemd has not booted does not have the directory.
	if err := os.Mkdir("/dev/mqueue", 0755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := unix.Mount("mqueue", "/dev/mqueue", "mqueue", unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("mounting /dev/mqueue: %w", err)
	}
	id := ordinary[0]
	err := filepath.WalkDir(t.work, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, id, id)
	})
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil { // until execve(2): becomeRoot needs them
		return fmt.Errorf("prctl: %w", err)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
		return fmt.Errorf("setgroups: %w", errno)
	}
	t.user = true
	return setThread(id)
}

// becomeRoot takes becomeUser back.
func (t *tree) becomeRoot() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&header, &caps[0]); err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	for i := range caps {
		caps[i].Effective = caps[i].Permitted
	}
	if err := unix.Capset(&header, &caps[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	return setThread(0)
}

// setThread sets all user and group ids of the calling thread to this one.
func setThread(id int) error {
	n := uintptr(id)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, n, n, n); errno != 0 {
		return fmt.Errorf("setresgid: %w", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, n, n, n); errno != 0 {
		return fmt.Errorf("setresuid: %w", errno)
	}
	return nil
}
