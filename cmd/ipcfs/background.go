package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// background starts the daemon in a session of its own and returns when the tree is live. If the daemon fails
// it has said why on stderr, and background returns its exit status.
func background(s *settings) error {
	// The daemon is not to keep open what happened to be open in the shell, nor a lock of it.
	if err := unix.CloseRange(3, 1<<32-1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close_range: %w", err)
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
