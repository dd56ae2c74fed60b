package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/cmd/ipcfs/monitoring"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/mount"
	"github.com/ipcfs/ipcfs/mount/keeper"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// serve is the daemon: it mounts the tree and serves it until it is unmounted, from outside or because of a
// signal. It never touches the tree itself: it would wait for itself.
func (s *settings) serve() (failure error) {
	// Modes come from the programs that create things, which have taken their umask off already.
	unix.Umask(0)
	// Whoever reads stderr may go before the daemon does.
	signal.Ignore(unix.SIGPIPE)
	without := s.noKeeper()
	if s.toBeKept() && without == nil {
		return s.keep()
	}
	// A terminal may stop programs that write to it in the background (stty tostop). If it
	// stopped the daemon, all who use the tree would stand still.
	signal.Ignore(unix.SIGTTOU)
	backends.RaiseLimits()
	takeProcs()
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, append(signals(unix.SIGHUP), unix.SIGTERM, unix.SIGINT)...)
	defer signal.Stop(stop)

	if s.isWorker {
		var err error
		if s.post, err = keeper.Report(version(), mount.Form()); err != nil {
			return err
		}
		defer func() {
			if failure != nil {
				s.post.Failed(failure)
			}
		}()
		s.device, s.tree.Ledger, s.tree.Safe = s.post.Device, s.post.Ledger, s.post.Safe()
		s.tree.Apart = []int{s.post.Descriptor()}
		s.tree.Kept = func() []nodes.Fact { return keptFacts(s.post) }
		title("worker", s.mountpoint)
	}
	if s.toBeKept() {
		s.tree.Kept = func() []nodes.Fact { return []nodes.Fact{{Key: "keeper_reason", Value: without.Error()}} }
	}
	if err := s.clear(); err != nil {
		return s.advise(err)
	}
	level := new(slog.LevelVar)
	log, err := s.logger(level)
	if err != nil {
		return err
	}
	loud := verbosity{level, level.Level(), log}
	defer loud.heed()()
	if s.post != nil {
		s.post.Louder(loud.set)
	}
	// The current directory of the daemon is not to keep a file system busy.
	if err := os.Chdir("/"); err != nil {
		return err
	}
	tree, err := s.openTree(log)
	if err != nil {
		return s.adviseState(err)
	}
	var session *mount.Session
	defer func() {
		_ = tree.Close()
		if session != nil {
			_ = session.Close()
		}
	}()
	defer s.monitored(tree, log)()
	options := s.session
	options.Mountpoint, options.Source, options.Flags, options.Device, options.Log =
		s.mountpoint, s.source, s.options, s.device, log
	session, err = mount.New(tree, options)
	if err != nil {
		return s.advise(err)
	}
	if s.post != nil && s.device == 0 {
		if err := s.post.Mounted(session.Device(), session.Connection()); err != nil {
			return err
		}
	}
	err = s.attend(session, stop, log)
	if s.post != nil {
		s.post.Over()
	}
	return err
}

// monitored serves metrics and the page, if that is asked for, until the caller calls what it returns. That
// it cannot is told, and no reason to do without the tree: anybody could have taken the port.
func (s *settings) monitored(tree *fs.Tree, log *slog.Logger) (end func()) {
	if s.metricsListen == "" {
		return func() {}
	}
	server, err := monitoring.Start(tree.Monitor(), monitoring.Options{
		Address: monitoring.Address(s.metricsListen), Names: s.metricsNames, Log: log,
		Version: version(), Commit: buildHere().Commit, Mountpoint: s.mountpoint,
	})
	if err != nil {
		log.Error("no metrics are served", "err", err)
		if s.logFile != "" {
			fmt.Fprintf(os.Stderr, "ipcfs: no metrics are served: %s\n", backends.Line(err.Error()))
		}
		return func() {}
	}
	return server.Close
}

// minProcs are the leader of the session in read(2) and the poller in epoll_wait(2).
const minProcs = 2

// takeProcs sets GOMAXPROCS, unless the environment does, so that on one processor, too, the poller can go on
// while the leader sits in read(2): with one to share, it would first have to wait for Go's monitor thread to
// take it away from the leader. A ping-pong over a stream face took 270 µs then, and takes 75; more than two
// cost each request a little (docs/performance.md).
func takeProcs() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(minProcs, runtime.GOMAXPROCS(0)))
	}
}

// openTree opens the tree's objects. A daemon whose tree was unmounted a moment ago
// may still be about to give up the state directory.
func (s *settings) openTree(log *slog.Logger) (*fs.Tree, error) {
	config := s.tree
	config.Version, config.Log, config.Flags = version(), log, map[string]string{}
	for _, row := range settingTable {
		config.Flags[row.name] = flagOf(row.name)
	}
	for _, o := range s.asked() {
		name, value, _ := strings.Cut(o, "=")
		config.Options = append(config.Options, name+"="+backends.Word(value))
	}
	for end := time.Now().Add(time.Second); ; time.Sleep(20 * time.Millisecond) {
		tree, err := fs.New(config)
		if !errors.Is(err, fs.ErrLocked) || time.Now().After(end) {
			return tree, err
		}
	}
}

// leaveLimit is how long a worker may take to leave the mount to another one. Its keeper waits a little
// longer.
const leaveLimit = 2 * time.Second

// attend serves the session, tells when it is live, and ends it on a
// signal. A second signal ends the daemon at once.
func (s *settings) attend(session *mount.Session, stop <-chan os.Signal, log *slog.Logger) error {
	served, unmounted := make(chan error, 1), make(chan error, 1)
	manager := s.manager(log)
	var guards sync.WaitGroup
	defer guards.Wait()
	guarded, over := context.WithCancel(context.Background())
	defer over()
	go func() { served <- session.Serve() }()
	live := session.Live()
	var leave <-chan struct{}
	if s.post != nil {
		leave = s.post.Leave
	}
	stopping, unmounts := false, false
	var result error
	for {
		select {
		case <-live:
			live = nil
			if s.toBeKept() {
				log.Info("the tree has no keeper", "why", s.noKeeper())
			}
			log.Info("live", "mountpoint", s.mountpoint, "pid", os.Getpid(), "version", version())
			if s.post != nil && !session.Resends() {
				log.Warn("a keeper is of no use here", "err", mount.ErrNoResend)
				s.post.Alone(mount.ErrNoResend)
			}
			if err := s.announce(); err != nil {
				log.Warn("cannot tell that the tree is live", "err", err)
			}
			manager.ready("live at " + s.mountpoint)
			guards.Go(func() { manager.guard(guarded, s.alive) })
			guards.Go(func() { backends.TrimMemory(guarded, s.tree.Ledger) })
		case sig := <-stop:
			if stopping {
				return exit{exitFailure, fmt.Errorf("%s: ended by a second signal", s.mountpoint)}
			}
			stopping, unmounts = true, true
			log.Info("unmounting", "signal", sig.String())
			manager.stopping("unmounting " + s.mountpoint)
			go func() { unmounted <- session.Unmount() }()
		case <-leave:
			session.Leave(leaveLimit)
			log.Info("another worker goes on")
			os.Exit(0) // and nothing is closed
		case err := <-unmounted:
			if unmounts = false; err != nil || served == nil {
				return ended(cmp.Or(err, result), log)
			}
		case result = <-served:
			if !unmounts {
				return ended(result, log)
			}
			served = nil // unmounting may have more to say
		}
	}
}

// manager is the service manager, if one may have started the daemon: a daemon in the background, and that
// of `ipcfs run`, are no service's main process.
func (s *settings) manager(log *slog.Logger) *manager {
	if s.logFile != "" || s.private || s.isWorker {
		return nil
	}
	return &manager{log}
}

// ended is what the daemon has to say in the end. Programs that still
// have files of the tree open lose them now.
func ended(err error, log *slog.Logger) error {
	if errors.Is(err, mount.ErrStuck) {
		log.Warn("ended", "err", err)
		return nil
	}
	log.Info("ended")
	return err
}

// announce tells the process that started the daemon that the tree is live. Where there
// is a log file, it lets go of that process's stderr. What only the start has needed is given back before.
func (s *settings) announce() error {
	if s.logFile != "" {
		log, err := openLog(s.logFile)
		if err != nil {
			return err
		}
		// What Go's runtime says of a crash goes to the log file, too.
		defer log.Close()
		if err := unix.Dup3(int(log.Fd()), 2, 0); err != nil {
			return err
		}
	}
	backends.ReturnCode()
	if s.post != nil {
		return s.post.Live()
	}
	if s.readyFd == 0 {
		return nil
	}
	ready := os.NewFile(uintptr(s.readyFd), "ready")
	defer ready.Close()
	_, err := ready.Write([]byte{'\n'})
	return err
}

// logger logs to the log file, or to stderr, what is of a level that can be changed.
func (s *settings) logger(level *slog.LevelVar) (*slog.Logger, error) {
	if s.private {
		level.Set(slog.LevelWarn)
	}
	if s.logLevel != "" {
		_ = level.UnmarshalText([]byte(s.logLevel)) // one of logLevels
	}
	var out io.Writer = os.Stderr
	if s.logFile != "" {
		// The state directory may not be there yet.
		if err := fs.MakeStateDir(s.tree.StateDir); err != nil {
			return nil, s.adviseState(err)
		}
		log, err := openLog(s.logFile)
		if errors.Is(err, backends.ErrNotRegular) && os.Rename(s.logFile, s.logFile+".broken") == nil {
			log, err = openLog(s.logFile) // what lay there is no reason to do without the tree
		}
		if err != nil {
			return nil, s.adviseState(err)
		}
		out = log
	}
	return newLog(out, level, s.logFormat), nil
}

// signals are those of list that the program was not started to ignore;
// nohup(1) and a shell's & have it ignore some.
func signals(list ...os.Signal) []os.Signal {
	var heeded []os.Signal
	for _, s := range list {
		if !signal.Ignored(s) {
			heeded = append(heeded, s)
		}
	}
	return heeded
}
