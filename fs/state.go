package fs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// ErrLocked says that another daemon uses the state directory.
var ErrLocked = errors.New("in use by another ipcfs")

// stateDirs are the directories in the state directory. It holds FIFOs, the nodes and faces of sockets,
// topics, messages that are out on lease, and the sockets we listen on ourselves (sock), which others may
// reach.
var stateDirs = []struct {
	name string
	mode os.FileMode
}{{"fifos", 0700}, {"sockets", 0700}, {"topics", 0700}, {"sock", 0711}, {"leases", 0700}}

// lockState makes the state directory ready and takes it: the lock ends with the process, however it ends, or
// with the one that keeps the safe's descriptors, so that nobody else takes the directory before the next
// worker does. What is there and is not what it should be, so that the daemon could not go on with it, is
// moved aside: moved says what. goesOn: what was listened on is still listened on.
func lockState(dir string, goesOn bool, safe backends.Safe) (lock *os.File, moved []string, err error) {
	if err := MakeStateDir(dir); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil && lock != nil {
			lock.Close()
		}
		if err != nil && !errors.Is(err, ErrLocked) {
			err = fmt.Errorf("state directory: %w", err)
		}
	}()
	if err := aside(dir+"/lock", os.FileMode.IsRegular, &moved); err != nil {
		return nil, nil, err
	}
	if lock = leftLock(safe); lock == nil {
		if lock, err = backends.OpenRegular(dir+"/lock", os.O_RDWR|os.O_CREATE, 0600); err != nil {
			return nil, nil, err
		}
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if err != unix.EWOULDBLOCK {
			return lock, nil, fmt.Errorf("lock %s: %w", dir, err)
		}
		holder := make([]byte, 32)
		n, _ := lock.ReadAt(holder, 0)
		return lock, nil, fmt.Errorf("state directory %s: %w, pid %s",
			dir, ErrLocked, strings.TrimSpace(string(holder[:n])))
	}
	if safe != nil {
		safe.Keep(backends.KeptLock, int(lock.Fd()))
	}
	writePid(lock)
	if !goesOn { // what a killed daemon was listening on answers nobody any more
		if err := os.RemoveAll(dir + "/sock"); err != nil {
			return lock, nil, err
		}
	}
	for _, d := range stateDirs {
		if err := makeStateDir(dir+"/"+d.name, d.mode, &moved); err != nil {
			return lock, nil, err
		}
	}
	return lock, moved, nil
}

// leftLock is the lock as an earlier process has left it; nil: none has.
func leftLock(safe backends.Safe) *os.File {
	if safe == nil {
		return nil
	}
	left := safe.Left()
	fd, ok := left[backends.KeptLock]
	if !ok {
		return nil
	}
	delete(left, backends.KeptLock)
	return os.NewFile(uintptr(fd), "lock")
}

// makeStateDir makes a directory of the state directory. One that is there gets the mode it has to have:
// others could reach what is in there past the modes that the tree shows.
func makeStateDir(name string, mode os.FileMode, moved *[]string) error {
	if err := aside(name, os.FileMode.IsDir, moved); err != nil {
		return err
	}
	if err := os.Mkdir(name, mode); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	st, err := os.Lstat(name)
	switch {
	case err != nil:
		return err
	case int(st.Sys().(*syscall.Stat_t).Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to user %d: %w", name, ownerOf(st), os.ErrPermission)
	case st.Mode().Perm() != mode:
		return os.Chmod(name, mode)
	}
	return nil
}

// aside gives what is called name, and is not what it should be, another name.
func aside(name string, right func(os.FileMode) bool, moved *[]string) error {
	st, err := os.Lstat(name)
	if errors.Is(err, os.ErrNotExist) || err == nil && right(st.Mode()) {
		return nil
	}
	if err != nil {
		return err
	}
	for i := 1; ; i++ {
		to := fmt.Sprintf("%s.broken%d", name, i)
		err := unix.Renameat2(unix.AT_FDCWD, name, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
		if err == unix.EEXIST {
			continue
		}
		if err == nil {
			*moved = append(*moved, fmt.Sprintf("%s was %s and is %s now", name, kindOf(st.Mode()), filepath.Base(to)))
		}
		return err
	}
}

func kindOf(m os.FileMode) string {
	switch {
	case m&os.ModeSymlink != 0:
		return "a symbolic link"
	case m&os.ModeNamedPipe != 0:
		return "a FIFO"
	case m&os.ModeDevice != 0:
		return "a device"
	case m&os.ModeSocket != 0:
		return "a socket"
	case m.IsDir():
		return "a directory"
	}
	return "a file"
}

// writePid writes the daemon's process id into the lock file, for people. It goes over what is there, as a
// full file system has no room for more, and where there is none for a first one it is left out.
func writePid(f *os.File) {
	text := fmt.Sprintln(os.Getpid())
	if _, err := f.WriteAt([]byte(text), 0); err == nil {
		_ = f.Truncate(int64(len(text)))
	}
}
