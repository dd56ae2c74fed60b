package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// runCommand is `ipcfs run -- COMMAND`.
func runCommand(f *pflag.FlagSet) func(io.Writer, []string) error {
	var s settings
	s.registerPrivate(f)
	f.SetInterspersed(false)
	return func(_ io.Writer, args []string) error {
		if len(args) == 0 {
			return usagef("a command is needed")
		}
		if isPidOne() {
			return s.runPidOne(args)
		}
		status, err := s.privately(args)
		if err != nil {
			return exit{exitRun, err}
		}
		if status != 0 {
			return exit{status: status}
		}
		return nil
	}
}

// privately runs a command with a tree of its own at $IPCFS and returns its exit status. All
// that needs privileges, or leaves something behind, happens in new namespaces, by a process
// that is the first in them (initCommand): when that ends, the kernel ends all else.
// Outside, nothing is seen but a directory to mount on.
func (s *settings) privately(command []string) (status int, err error) {
	dir, err := os.MkdirTemp("", "ipcfs-run-")
	if err != nil {
		return 0, fmt.Errorf("%w (choose another directory with TMPDIR)", err)
	}
	defer func() {
		if e := os.Remove(dir); e != nil && err == nil {
			err = e
		}
	}()
	// The kernel sends Pdeathsig when the thread that forked ends, so this goroutine keeps its thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	relay := make(chan os.Signal, 8)
	signal.Notify(relay, signals(relayed...)...)
	defer signal.Stop(relay)
	child, err := s.startInit(dir, command)
	if err != nil {
		return 0, adviseNamespaces(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case sig := <-relay:
			if !fromTerminal(sig) {
				_ = child.Process.Signal(sig) // it may have ended
			}
		case err := <-ended:
			return exitStatus(err), nil
		}
	}
}

// startInit starts initCommand in new namespaces: without a user namespace if that is permitted, as to root.
func (s *settings) startInit(dir string, command []string) (child *exec.Cmd, err error) {
	for _, user := range []bool{false, true} {
		if !user && os.Geteuid() != 0 {
			continue
		}
		s.tree.StateDir, s.mountpoint = dir+"/state", dir+"/tree"
		args := append([]string{"_init", "--dir=" + dir}, s.args()...)
		child = ipcfs(append(args, command...)...)
		child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
		child.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWPID,
			Pdeathsig:  unix.SIGKILL,
		}
		if user {
			ownUser(child.SysProcAttr)
		}
		if err = child.Start(); err == nil {
			break
		}
	}
	return child, err
}

// ownUser asks for a user namespace in which users are themselves, not root: id(1) says the truth, files and
// queues have the owner that they have outside, and permissions hold in the tree. Capabilities in the
// namespace reach the daemon as ambient ones (capabilities(7)); the command gets none.
func ownUser(attr *syscall.SysProcAttr) {
	attr.Cloneflags |= unix.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
	attr.AmbientCaps = []uintptr{
		unix.CAP_SYS_ADMIN,                                                         // mounts
		unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_CHOWN, unix.CAP_IPC_OWNER, // objects of others
	}
}

// relayed are the signals that are passed on to the command.
var relayed = []os.Signal{
	unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGCONT,
}

// fromTerminal reports whether a signal is one that a terminal sends to the
// whole process group: the command has got it already.
func fromTerminal(sig os.Signal) bool {
	if sig != unix.SIGINT && sig != unix.SIGQUIT {
		return false
	}
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
