package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"unsafe"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/mount"
	"github.com/ipcfs/ipcfs/mount/keeper"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// toBeKept reports whether this process is to be the keeper of a tree: that of `ipcfs run` has none.
func (s *settings) toBeKept() bool { return !s.alone && !s.private && !s.isWorker }

// noKeeper is why a tree that is to have a keeper has none; nil: it has.
func (s *settings) noKeeper() error {
	switch {
	case s.device != 0:
		return errors.New("somebody else has mounted it")
	case !mount.KernelResends():
		return mount.ErrNoResend
	case allowed(unix.RLIMIT_AS) < 2*backends.LedgerBytes:
		return fmt.Errorf("RLIMIT_AS is less than %d GiB, as a ledger takes that many addresses", 2*backends.LedgerBytes>>30)
	case allowed(unix.RLIMIT_FSIZE) < backends.LedgerBytes:
		return fmt.Errorf("RLIMIT_FSIZE is less than %d GiB, as a ledger is a file of that size", backends.LedgerBytes>>30)
	}
	return nil
}

// allowed is a limit of this process (getrlimit(2)).
func allowed(resource int) uint64 {
	var l unix.Rlimit
	if unix.Getrlimit(resource, &l) != nil {
		return unix.RLIM_INFINITY
	}
	return l.Cur
}

// keep keeps the mount, and has workers serve it.
func (s *settings) keep() error {
	signal.Ignore(unix.SIGTTOU)
	deaf := signal.Ignored(unix.SIGHUP)
	signals := keeper.Listen()
	defer signals.Stop()
	if s.inheritance == "" {
		if err := s.clear(); err != nil {
			return s.advise(err)
		}
	}
	level := new(slog.LevelVar)
	log, err := s.logger(level)
	if err != nil {
		return err
	}
	manager := s.manager(log)
	guarded, over := context.WithCancel(context.Background())
	var guards sync.WaitGroup
	defer guards.Wait()
	defer over()
	if err := os.Chdir("/"); err != nil {
		return err
	}
	title("keeper", s.mountpoint)
	terminal := hasTerminal()
	k := keeper.Keeper{
		Command: s.worker, Program: s.program, Log: log,
		Live: func() error {
			manager.ready("live at " + s.mountpoint)
			guards.Go(func() { manager.guard(guarded, s.alive) })
			return s.announce()
		},
		Unmount:   func(connection int) error { return mount.UnmountOwn(s.mountpoint, connection) },
		Stopping:  func() { manager.stopping("unmounting " + s.mountpoint) },
		Upgrading: func() { manager.reloading("an upgrade begins") },
		Upgraded: func(result string) {
			if result == keeper.Done {
				result = "upgraded"
			}
			manager.ready("live at " + s.mountpoint + ", " + result)
		},
		HungUp: func() bool {
			had := terminal
			terminal = terminal && hasTerminal()
			return had && !terminal
		},
		Deaf: deaf, Signals: signals, Level: level, Louder: verbosity{level, level.Level(), log}.toggle,
		Argv: func(inheritance string) []string {
			return s.own("ipcfs", "--inheritance="+inheritance)
		},
	}
	if s.inheritance != "" {
		k.Before = new(keeper.Inheritance)
		if err := json.Unmarshal([]byte(s.inheritance), k.Before); err != nil {
			return fmt.Errorf("inheritance: %w", err)
		}
	}
	err = k.Run()
	var status keeper.Ended
	if errors.As(err, &status) {
		if status == 0 {
			return nil
		}
		return exit{status: int(status)}
	}
	return err
}

// own is the command line of a process that this daemon becomes, or starts.
func (s *settings) own(first ...string) []string {
	// Programs of before have no keeper unless asked.
	args := append(first, "--foreground", "--keeper=on", "--program="+s.program)
	if s.logFile != "" {
		args = append(args, "--log="+s.logFile)
	}
	return append(args, s.args()...)
}

// worker is the command of a worker of this mount.
func (s *settings) worker(program string) *exec.Cmd {
	cmd := exec.Command(program, s.own("--worker")...)
	cmd.Args[0] = "ipcfs"
	return cmd
}

// hasTerminal reports whether the process has a controlling terminal (tty(4)).
func hasTerminal() bool {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err == nil {
		f.Close()
	}
	return err == nil
}

// programHere is where this program is, as the name by which it was started has it: that name may lead to
// another program later. "" if that is not known.
func programHere() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	name, err := exec.LookPath(strings.Clone(os.Args[0])) // title writes over it
	if err != nil {
		return self
	}
	if name, err = filepath.Abs(name); err != nil {
		return self
	}
	one, err := os.Stat(name)
	if err != nil {
		return self
	}
	if other, err := os.Stat("/proc/self/exe"); err != nil || !os.SameFile(one, other) {
		return self
	}
	return name
}

// keptFacts are what ctl/status tells of the keeper, and of the workers before this one.
func keptFacts(p *keeper.Post) []nodes.Fact {
	facts := []nodes.Fact{
		{Key: "keeper_pid", Value: nodes.Label(os.Getppid())},
		{Key: "keeper_rss", Value: fs.ResidentBytes(os.Getppid())},
		{Key: "restarts", Value: nodes.Count(p.Restarts)},
	}
	if p.Last != "" {
		facts = append(facts, nodes.Fact{Key: "last_crash", Value: p.Last})
	}
	n, last := p.Upgrades()
	begun := max(n, p.Begun())
	facts = append(facts, nodes.Fact{Key: "upgrades", Value: nodes.Count(n)},
		nodes.Fact{Key: "upgrades_begun", Value: nodes.Count(begun)})
	if last != "" {
		facts = append(facts, nodes.Fact{Key: "last_upgrade", Value: last})
	}
	return facts
}

// title has ps(1) show what the process is, and for which mount point, as far as there is room where its
// arguments were (proc_pid_cmdline(5)). A keeper starts a worker by a number, which its comm would be.
func title(what, mountpoint string) {
	_ = os.WriteFile("/proc/self/comm", []byte("ipcfs"), 0)
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
