package fs

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrLocked says that another daemon uses the state directory.
var ErrLocked = errors.New("in use by another ipcfs")

// lockState makes the state directory ready and takes it: the lock ends with the process, however it ends. The directory holds
// FIFOs and the nodes and faces of sockets (fifos, sockets), messages that are out on lease (leases), and
// the sockets we listen on ourselves (sock), which others may reach.
func lockState(dir string) (*os.File, error) {
	if !strings.HasPrefix(dir, "/") {
		return nil, fmt.Errorf("state directory %q: not an absolute path", dir)
	}
	if err := os.MkdirAll(dir, 0755); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	st, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if owner := st.Sys().(*syscall.Stat_t).Uid; int(owner) != os.Geteuid() {
		return nil, fmt.Errorf("state directory %s belongs to uid %d: %w", dir, owner, os.ErrPermission)
	}
	lock, err := os.OpenFile(dir+"/lock", os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0600)
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer lock.Close()
		if err == unix.EWOULDBLOCK {
			holder := make([]byte, 32)
			n, _ := lock.ReadAt(holder, 0)
			return nil, fmt.Errorf("state directory %s: %w, pid %s", dir, ErrLocked, strings.TrimSpace(string(holder[:n])))
		}
		return nil, fmt.Errorf("state directory %s: lock: %w", dir, err)
	}
	if err := errors.Join(lock.Truncate(0), writePid(lock)); err != nil {
		lock.Close()
		return nil, fmt.Errorf("state directory %s: %w", dir, err)
	}
	// What a killed daemon was listening on answers nobody any more.
	if err := os.RemoveAll(dir + "/sock"); err != nil {
		lock.Close()
		return nil, fmt.Errorf("state directory: %w", err)
	}
	for name, mode := range map[string]os.FileMode{"fifos": 0700, "sockets": 0700, "topics": 0700, "sock": 0711, "leases": 0700} {
		if err := os.MkdirAll(dir+"/"+name, mode); err != nil {
			lock.Close()
			return nil, fmt.Errorf("state directory: %w", err)
		}
	}
	return lock, nil
}

func writePid(f *os.File) error {
	_, err := f.WriteAt([]byte(fmt.Sprintln(os.Getpid())), 0)
	return err
}
