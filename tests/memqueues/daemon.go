package memqueues

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/mount"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// Path is where the queues are in the tree of Main's daemon.
const Path = "mem/queues"

// delay is how long the way to the queues takes.
const delay = time.Millisecond

// Main is a daemon whose tree has one more row: queues in memory, at Path. It is called as ipcfs is, and
// returns when the tree is live.
func Main() {
	var c fs.Config
	flag.StringVar(&c.StateDir, "state-dir", "", "")
	flag.IntVar(&c.MaxMsg, "maxmsg", 0, "")
	flag.IntVar(&c.MsgSize, "msgsize", 0, "")
	foreground := flag.Bool("f", false, "")
	flag.Parse()
	run := start
	if *foreground {
		run = func() error { return serve(c, flag.Arg(0)) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, os.Args[0]+":", err)
		os.Exit(1)
	}
}

// start starts the daemon in the background and waits until the tree is live.
func start() error {
	ready, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, append([]string{"-f"}, os.Args[1:]...)...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdout, os.Stderr, []*os.File{tell}
	if err := cmd.Start(); err != nil {
		return err
	}
	tell.Close()
	if n, _ := ready.Read(make([]byte, 1)); n == 0 {
		return cmd.Wait()
	}
	return nil
}

// serve is the daemon. It ends when the tree is unmounted.
func serve(c fs.Config, mountpoint string) (err error) {
	unix.Umask(0)
	backends.RaiseLimits()
	store := New(delay, nodes.QueueRules{MaxMsg: c.MaxMsg, MsgSize: c.MsgSize})
	defer store.Close()
	c.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	c.Attach = func(env *nodes.Env) ([]nodes.Kind, error) { return []nodes.Kind{store.Kind(env, Path)}, nil }
	tree, err := fs.New(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tree.Close()) }()
	session, err := mount.New(tree, mount.Options{Mountpoint: mountpoint, Log: c.Log})
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM)
	served := make(chan error, 1)
	go func() { served <- session.Serve() }()
	select {
	case <-session.Live():
		ready := os.NewFile(3, "ready")
		if _, err := ready.Write([]byte{'\n'}); err != nil {
			return err
		}
		ready.Close()
	case err := <-served:
		return err
	}
	select {
	case <-stop:
		return errors.Join(session.Unmount(), <-served)
	case err := <-served:
		return err
	}
}
