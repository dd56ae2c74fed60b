package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// background starts the daemon in a session of its own and returns when the tree is live. If the daemon fails
// it has said why on stderr, and background returns its exit status.
func background(s *settings) error {
	if err := keepToSelf(); err != nil { // a daemon would hold it as long as it lives
		return err
	}
	daemon, ready, err := s.start("--log=" + s.tree.StateDir + "/ipcfs.log")
	if err != nil {
		return fmt.Errorf("starting the daemon: %w", err)
	}
	// A user who gives up waiting does not want the mount.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, append(signals(unix.SIGHUP), unix.SIGTERM, unix.SIGINT)...)
	defer signal.Stop(stop)
	for {
		select {
		case live := <-ready:
			if live {
				return nil
			}
			err := daemon.Wait()
			if st := daemon.ProcessState.Sys().(syscall.WaitStatus); st.Signaled() {
				return fmt.Errorf("the daemon was ended: %w", err)
			}
			if err == nil {
				return errors.New("the daemon was told to end before the tree was live")
			}
			return exit{status: exitStatus(err)}
		case sig := <-stop:
			_ = daemon.Process.Signal(sig) // it may have ended already
		}
	}
}

// start starts `ipcfs -f` with the settings and flags. The channel tells whether the tree is live; false: the
// daemon has ended, or is about to. Until then the daemon writes to the stderr of this process.
func (s *settings) start(flags ...string) (*exec.Cmd, <-chan bool, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer w.Close()
	flags = append([]string{"--foreground", "--ready-fd=3", "--program=" + s.program}, flags...)
	daemon := ipcfs(append(flags, s.args()...)...)
	daemon.Stderr = os.Stderr
	daemon.ExtraFiles = []*os.File{w}
	daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := daemon.Start(); err != nil {
		r.Close()
		return nil, nil, err
	}
	ready := make(chan bool, 1)
	go func() {
		defer r.Close()
		// The read gets the daemon's byte, or the end of the pipe when the daemon ends.
		n, _ := r.Read(make([]byte, 1))
		ready <- n == 1
	}()
	return daemon, ready, nil
}

// ipcfs is this program with other arguments.
func ipcfs(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err == nil {
		_, err = os.Stat(self)
	}
	if err != nil {
		self = "/proc/self/exe" // it was removed or replaced, but can still be started
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "ipcfs"
	return cmd
}

// keepToSelf has no process that this one starts from here on inherit what happened to be open in the shell,
// nor a lock of it: what the shell closes is closed then.
func keepToSelf() error {
	if err := unix.CloseRange(3, 1<<32-1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close_range: %w", err)
	}
	return nil
}

// reader is a command that reads a tree for this program: as its owner, and nothing is open in it but out.
// Where a daemon hangs, it hangs, too, and even SIGKILL does not end it (fuse's request_wait_answer).
func reader(m *mountinfo.Info, out *os.File, args ...string) *exec.Cmd {
	cmd := ipcfs(args...)
	if err := keepToSelf(); err != nil {
		cmd.Err = err
	}
	cmd.SysProcAttr, cmd.Stdout = asOwner(m), out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	return cmd
}

// endReader ends one that has started. It has nothing open in the tree then, so that the tree can be
// unmounted. One that hangs is not waited for.
func endReader(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(readerLimit):
	}
}

// exitStatus is the status of a process as a shell has it, from what exec.Cmd.Wait answered.
func exitStatus(err error) int {
	var failed *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		return waitStatus(failed.Sys().(syscall.WaitStatus))
	}
	return exitFailure
}

// waitStatus is 128 + N for a process that signal N ended (sh(1)).
func waitStatus(st syscall.WaitStatus) int {
	if st.Signaled() {
		return 128 + int(st.Signal())
	}
	return st.ExitStatus()
}
