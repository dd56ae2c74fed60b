package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// initCommand is the first process in the namespaces of `ipcfs run`
// (pid_namespaces(7)). It makes the mounts, starts the daemon and the command, and
// waits for orphans. It ends with the command, and all else ends with it.
func initCommand(f *pflag.FlagSet) func(io.Writer, []string) error {
	var (
		s   settings
		dir string
	)
	f.StringVar(&dir, "dir", "", "")
	s.register(f)
	f.SetInterspersed(false)
	return func(_ io.Writer, args []string) error {
		if os.Getpid() != 1 || len(args) < 3 {
			return usagef("for ipcfs run only")
		}
		s.mountpoint = args[1]
		if err := privateMounts(dir, s.mountpoint); err != nil {
			return exit{exitRun, adviseNamespaces(err)}
		}
		status, err := s.first(args[2:])
		if err != nil {
			return err
		}
		return exit{status: status}
	}
}

// privateMounts makes the mounts that are private to the namespace. The directory dir
// gets a file system that is gone with the namespace.
func privateMounts(dir, tree string) error {
	const plain = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	for _, m := range []struct {
		fstype, target string
		flags          uintptr
		data           string
		optional       bool
	}{
		{"", "/", unix.MS_REC | unix.MS_PRIVATE, "", false},
		{"tmpfs", dir, plain, "mode=0755", false},
		{"tmpfs", "/dev/shm", plain, "mode=1777", false},
		{"mqueue", dir + "/mqueue", plain, "", false},
		{"mqueue", "/dev/mqueue", plain, "", true}, // not everybody has the directory
		// Many containers do not permit this one; then /proc shows the processes outside.
		{"proc", "/proc", plain, "", true},
	} {
		if m.target == dir+"/mqueue" {
			if err := errors.Join(os.Mkdir(m.target, 0755), os.Mkdir(tree, 0755)); err != nil {
				return err
			}
		}
		if err := unix.Mount("ipcfs", m.target, m.fstype, m.flags, m.data); err != nil && !m.optional {
			return fmt.Errorf("mount %s on %s: %w", m.fstype, m.target, err)
		}
	}
	return nil
}

// first runs the daemon and the command and returns the command's exit status.
func (s *settings) first(command []string) (int, error) {
	// Signals have no default actions for the first process of a namespace. It
	// passes on those that are for the command.
	relay := make(chan os.Signal, 8)
	signal.Notify(relay, signals(relayed...)...)
	daemon, ready, err := s.start("--private")
	if err != nil {
		return 0, exit{exitRun, fmt.Errorf("starting the daemon: %w", err)}
	}
	select {
	case live := <-ready:
		if !live {
			return 0, exit{status: exitRun} // the daemon has said why
		}
	case sig := <-relay:
		return 128 + int(sig.(syscall.Signal)), nil
	}
	child, err := startCommand(command, s.mountpoint)
	if err != nil {
		return 0, err
	}
	dead := make(chan death)
	go reap(dead)
	for {
		select {
		case sig := <-relay:
			if !fromTerminal(sig) {
				_ = unix.Kill(child, sig.(syscall.Signal)) // it may have ended
			}
		case d := <-dead:
			switch d.pid {
			case child:
				endDaemon(daemon.Process.Pid, dead)
				return waitStatus(d.status), nil
			case daemon.Process.Pid:
				fmt.Fprintf(os.Stderr, "ipcfs: the daemon has ended before the command, status %d\n", waitStatus(d.status))
			}
		}
	}
}

// startCommand starts the command with $IPCFS and without the capabilities of the namespace.
func startCommand(command []string, tree string) (pid int, err error) {
	if os.Geteuid() != 0 {
		// Capabilities belong to threads. This thread hands on none, and nothing else may run on it.
		runtime.LockOSThread()
		if err := bequeathNothing(); err != nil {
			return 0, exit{exitRun, fmt.Errorf("giving up capabilities: %w", err)}
		}
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "IPCFS="+tree)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			return 0, exit{exitNotFound, err}
		}
		return 0, exit{exitNotExecutable, err}
	}
	return cmd.Process.Pid, nil
}

// bequeathNothing empties the thread's inheritable capabilities, and
// with them the ambient ones (capabilities(7)).
func bequeathNothing() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	sets[0].Inheritable, sets[1].Inheritable = 0, 0
	return unix.Capset(&header, &sets[0])
}

type death struct {
	pid    int
	status syscall.WaitStatus
}

// reap waits for every process that ends, also for those that lost their parents, until there are none.
func reap(dead chan<- death) {
	for {
		var st syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &st, 0, nil)
		switch err {
		case nil:
			dead <- death{pid, st}
		case syscall.EINTR:
		default:
			close(dead)
			return
		}
	}
}

// endLimit is how long the daemon may take to unmount. What is left then, the kernel ends with this process.
const endLimit = 2 * time.Second

// endDaemon has the daemon unmount, so that it can end what it has begun.
func endDaemon(pid int, dead <-chan death) {
	if unix.Kill(pid, unix.SIGTERM) != nil {
		return
	}
	limit := time.After(endLimit)
	for {
		select {
		case d, ok := <-dead:
			if !ok || d.pid == pid {
				return
			}
		case <-limit:
			return
		}
	}
}
