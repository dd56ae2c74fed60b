package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/cmd/ipcfs/bench"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// benching is what `ipcfs bench` is asked for.
type benching struct {
	runs     int
	cpu      int
	unpinned bool
	only     string
	json     bool
	svg      string
	attach   attachments
}

// benchCommand is `ipcfs bench [MOUNTPOINT]`. Without a mount point it starts
// itself again in private namespaces with a tree.
func benchCommand(f *pflag.FlagSet) func(io.Writer, []string) error {
	var b benching
	f.IntVar(&b.runs, "runs", 5, "measure each side `N` times")
	f.StringVar(&b.only, "only", "", "measure only what has `TEXT` in its name")
	f.IntVar(&b.cpu, "cpu", 0, "run everything on processor `N`")
	f.BoolVar(&b.unpinned, "unpinned", false, "run on all processors")
	f.BoolVar(&b.json, "json", false, "print JSON")
	f.StringVar(&b.svg, "svg", "", "draw a plot to `FILE`")
	f.Var(shown{&b.attach, "NAME=URL"}, "attach", "measure queues there, beside the servers' own client")
	return func(out io.Writer, args []string) error {
		switch {
		case len(args) > 1:
			return usagef("unexpected argument %q", args[1])
		case b.runs < 1:
			return usagef("--runs %d: at least one", b.runs)
		}
		// Processors are set for a thread (sched_setaffinity(2)). What that
		// thread starts inherits them: the daemon too.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := b.pin(); err != nil {
			return err
		}
		if len(args) == 1 {
			return b.measure(out, args[0])
		}
		command := append([]string{ipcfs().Path, "bench"}, b.args()...)
		s := settings{}
		s.tree.Attached = b.attach
		status, err := s.privately(append(command, "--", inOwnTree))
		if err == nil && status != 0 {
			err = exit{status: status}
		}
		return err
	}
}

// inOwnTree stands for the tree at $IPCFS.
const inOwnTree = "$IPCFS"

func (b *benching) pin() error {
	if b.unpinned {
		return nil
	}
	var set unix.CPUSet
	set.Set(b.cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("processor %d: %w (--cpu N for another one, or --unpinned)", b.cpu, err)
	}
	return nil
}

// args asks for the same again.
func (b *benching) args() []string {
	var attach []string
	for _, one := range b.attach.all() {
		attach = append(attach, "--attach="+one)
	}
	return append(attach, fmt.Sprint("--runs=", b.runs), fmt.Sprint("--cpu=", b.cpu),
		fmt.Sprint("--unpinned=", b.unpinned),
		"--only="+b.only, fmt.Sprint("--json=", b.json), "--svg="+b.svg)
}

// measure measures the tree at a mount point.
func (b *benching) measure(out io.Writer, tree string) error {
	if tree == inOwnTree {
		tree = os.Getenv("IPCFS")
	}
	tree, err := filepath.Abs(tree)
	if err != nil {
		return err
	}
	m, err := mountAt(tree)
	switch {
	case err != nil:
		return err
	case m == nil || !ours(m):
		return fmt.Errorf("%s: not an ipcfs mount (ipcfs bench alone measures a private one)", tree)
	}
	daemon, err := ask(m)
	if err != nil {
		return fmt.Errorf("%s: %w", tree, err)
	}
	// A user who gives up waiting wants nothing left behind.
	ctx, stop := signal.NotifyContext(context.Background(), signals(unix.SIGTERM, unix.SIGINT, unix.SIGHUP)...)
	defer stop()
	r := bench.NewReport(version(), b.runs, daemon)
	table := out
	if b.json {
		table = io.Discard
	}
	fmt.Fprint(table, r.Head())
	config := bench.Config{Tree: tree, Runs: b.runs, Only: b.only, Self: benchSelf,
		Done: func(one bench.Result) { fmt.Fprint(table, one.Row()) }}
	foot := ""
	if len(b.attach) == 0 {
		r.Results, err = bench.Run(ctx, config)
		foot = r.Foot()
	}
	for _, at := range b.attach {
		var more []bench.Result
		more, err = bench.RunAttached(ctx, bench.Attachment{Config: config, Name: at.Name, Connect: at.Dial})
		r.Results = append(r.Results, more...)
		foot = bench.AttachedFoot
		if err != nil {
			break
		}
	}
	if err != nil {
		return err
	}
	fmt.Fprint(table, foot)
	if n := r.Left(); n > 0 {
		err = fmt.Errorf("%d of %d cases could not be measured", n, len(r.Results))
	}
	if b.json {
		err = errors.Join(err, r.JSON(out))
	}
	if b.svg != "" {
		err = errors.Join(err, r.SVG(b.svg))
	}
	return err
}

// benchSelf is this program as a process of a measurement. A floor mounts, in a namespace of its own.
func benchSelf(ctx context.Context, args ...string) *exec.Cmd {
	self := ipcfs(append([]string{"_bench"}, args...)...)
	cmd := exec.CommandContext(ctx, self.Path)
	cmd.Args, cmd.Env = self.Args, bench.Env()
	if args[0] == "floor" {
		cmd.SysProcAttr = ownMounts()
	}
	return cmd
}

// ownMounts asks for a mount namespace in which a process may mount.
func ownMounts() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		ownUser(attr)
	}
	return attr
}

// benchProcess is what benchSelf starts.
func benchProcess(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(_ io.Writer, args []string) error {
		if err := bench.Main(args); err != nil {
			return fmt.Errorf("bench %s: %w", strings.Join(args, " "), err)
		}
		return nil
	}
}
