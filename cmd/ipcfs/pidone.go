package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// isPidOne reports whether this is the first process of its pid namespace, as that of a container is.
func isPidOne() bool { return os.Getpid() == 1 }

// bePidOne has a child do what this process was started for, and does what the first process of a pid
// namespace has to (pid_namespaces(7)): it waits for orphans, which would stay zombies, and passes on
// signals. It ends with the child, with its status, and the kernel then ends all else. TestPidOne holds this.
func bePidOne(child *exec.Cmd) error {
	relay := make(chan os.Signal, 8)
	signal.Notify(relay, signals(relayed...)...)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := child.Start(); err != nil {
		return exit{exitRun, fmt.Errorf("starting the child of the first process: %w", err)}
	}
	pid := child.Process.Pid
	apart := child.SysProcAttr != nil && child.SysProcAttr.Setpgid // a terminal's signals do not reach it
	dead := make(chan death)
	go reap(dead)
	for {
		select {
		case sig := <-relay:
			if apart || !fromTerminal(sig) {
				_ = unix.Kill(pid, sig.(syscall.Signal)) // it may have ended
			}
		case d := <-dead:
			if d.pid == pid {
				if status := waitStatus(d.status); status != 0 {
					return exit{status: status} // the child has said why
				}
				return nil
			}
		}
	}
}

// servePidOne is bePidOne for a daemon. It stays in the foreground, asked to or not: a container ends with
// its first process, and the tree with the container.
func (s *settings) servePidOne() error {
	daemon := ipcfs(append([]string{"mount", "--foreground", "--program=" + s.program}, s.args()...)...)
	daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	title("init", "") // for one with a mount point there may be no room
	return bePidOne(daemon)
}

// runPidOne is bePidOne for `ipcfs run`.
func (s *settings) runPidOne(command []string) error {
	args := []string{"run"}
	for _, o := range s.asked() {
		args = append(args, "--"+o)
	}
	return bePidOne(ipcfs(append(append(args, "--"), command...)...))
}
