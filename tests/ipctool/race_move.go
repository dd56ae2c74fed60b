package ipctool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// raceMoveCommand makes regular files and directories in TREE, a directory of a tree, ATTEMPTS times. NATIVE
// is the same directory where the kernel has it. As soon as a new one is there, the command has it trade
// places with a link to OTHER, a file of another user's in the same file system (renameat2(2),
// RENAME_EXCHANGE). It prints how often it did so, and fails if OTHER became the caller's.
func raceMoveCommand(args []string) error {
	if len(args) != 4 {
		return errUsage
	}
	attempts, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	tree, made, link := filepath.Join(args[0], "made"), filepath.Join(args[1], "made"),
		filepath.Join(args[1], "link")
	var want, st unix.Stat_t
	if err := unix.Stat(args[2], &want); err != nil {
		return err
	}
	var armed, over atomic.Bool
	moved, ended := 0, make(chan struct{})
	go func() {
		defer close(ended)
		for !over.Load() {
			if armed.Load() && unix.Renameat2(unix.AT_FDCWD, link, unix.AT_FDCWD, made, unix.RENAME_EXCHANGE) == nil {
				moved++
				armed.Store(false)
			}
		}
	}()
	for n := range attempts {
		if err := errors.Join(os.RemoveAll(made), os.RemoveAll(link), os.Link(args[2], link)); err != nil {
			return err
		}
		armed.Store(true)
		if n%2 == 0 {
			if fd, err := unix.Open(tree, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0644); err == nil {
				unix.Close(fd)
			}
		} else {
			_ = unix.Mkdir(tree, 0755)
		}
		if err := unix.Stat(args[2], &st); err != nil {
			return err
		}
		if st.Uid != want.Uid || st.Mode != want.Mode {
			return fmt.Errorf("after %d of them it is user %d's, mode %o", n+1, st.Uid, st.Mode)
		}
	}
	over.Store(true)
	<-ended
	fmt.Printf("moved=%d\n", moved)
	return nil
}
