package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"unsafe"

	"github.com/ipcfs/ipcfs/mount"
	"github.com/ipcfs/ipcfs/mount/keeper"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// keep keeps the mount, and has workers serve it.
func (s *settings) keep() error {
	signal.Ignore(unix.SIGTTOU)
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, append(signals(unix.SIGHUP), unix.SIGTERM, unix.SIGINT)...)
	defer signal.Stop(stop)
	level := new(slog.LevelVar)
	log, err := s.logger(level)
	if err != nil {
		return err
	}
	defer heedVerbosity(level, log)()
	manager := s.manager(log)
	guarded, over := context.WithCancel(context.Background())
	var watched sync.WaitGroup
	defer watched.Wait()
	defer over()
	if err := os.Chdir("/"); err != nil {
		return err
	}
	title("keeper", s.mountpoint)
	k := keeper.Keeper{
		Command: s.worker,
		Live: func() error {
			manager.ready("live at " + s.mountpoint)
			watched.Go(func() { manager.guard(guarded, s.alive) })
			return s.announce()
		},
		Unmount: func() error { return mount.Unmount(s.mountpoint) },
		Log:     log,
	}
	err = k.Run(stop)
	var status keeper.Ended
	if errors.As(err, &status) {
		if status == 0 {
			return nil
		}
		return exit{status: int(status)}
	}
	return err
}

// worker is the command of a worker of this mount.
func (s *settings) worker(program string) *exec.Cmd {
	args := []string{"--foreground", "--worker"}
	if s.logFile != "" {
		args = append(args, "--log="+s.logFile)
	}
	cmd := exec.Command(program, append(args, s.args()...)...)
	cmd.Args[0] = "ipcfs"
	cmd.Stderr = os.Stderr
	return cmd
}

// keptFacts are what ctl/status tells of the keeper, and of the workers before this one.
func keptFacts(p *keeper.Post) []nodes.Fact {
	facts := []nodes.Fact{
		{Key: "keeper_pid", Value: nodes.ID(os.Getppid())}, {Key: "restarts", Value: nodes.Count(p.Restarts)},
	}
	if p.Last != "" {
		facts = append(facts, nodes.Fact{Key: "last_crash", Value: p.Last})
	}
	return facts
}

// title has ps(1) show what the process is, and for which mount point, as far as there is room where its arguments
// were (proc_pid_cmdline(5)).
func title(what, mountpoint string) {
	first, last := os.Args[0], os.Args[len(os.Args)-1]
	begin := uintptr(unsafe.Pointer(unsafe.StringData(first)))
	end := uintptr(unsafe.Pointer(unsafe.StringData(last))) + uintptr(len(last))
	if len(os.Args) < 2 || end < begin || end-begin > 1<<20 {
		return
	}
	room := unsafe.Slice(unsafe.StringData(first), end-begin)
	text := "ipcfs\x00" + what + "\x00" + mountpoint
	if len(text) > len(room) {
		return
	}
	os.Args = []string{"ipcfs"} // the memory of the others is written over
	clear(room[copy(room, text):])
}
