package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ipcfs/ipcfs/tests/ipctool"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// TestScript runs testdata/script/*.txtar, side by side, each in a tree of its own: $MNT is where
// `mount` mounts it, $STATE its state directory, $LIB the directory of bodies that scripts share, $ID
// the user and the group of whoever mounts.
func TestScript(t *testing.T) {
	t.Parallel()
	lib, err := filepath.Abs("testdata/lib")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition:           condition,
		Cmds:                commands,
		Setup: func(env *testscript.Env) error {
			tr, err := newTree(env.WorkDir, env.T().Log)
			if err != nil {
				return err
			}
			env.Values[treeKey{}] = tr
			env.Values[natsKey{}] = &scriptNATS{}
			env.Vars = append(env.Vars, tr.env()...)
			env.Vars = append(env.Vars, "LIB="+lib, "ID=0", ipctool.SlowVar+"="+os.Getenv(ipctool.SlowVar))
			env.Defer(func() {
				if problems := tr.leftovers(); len(problems) > 0 {
					env.T().Fatal(strings.Join(problems, "\n"))
				}
			})
			if !*fusermount {
				return nil
			}
			env.Setenv("ID", strconv.Itoa(ordinary[0]))
			return tr.becomeUser()
		},
	})
}

type treeKey struct{}

// condition adds [root]: real root, not that of a user namespace with one user in it; [users]: root who can
// let other users mount; [fusermount]: an ordinary user, who mounts through fusermount3; [passthrough]: the
// kernel can carry shared memory; [resend]: it can bring requests twice, which a keeper needs; [unix_diag]: it
// tells of Unix sockets; [long]: there is time for many more rounds; and [slow]: there is time for few.
func condition(cond string) (bool, error) {
	switch cond {
	case "root":
		root, err := realRoot()
		return root && !*fusermount, err
	case "users":
		return haveUsers() && !*fusermount, nil
	case "long":
		return *long, nil
	case "slow":
		return slow(), nil
	case "fusermount":
		return *fusermount, nil
	case "nats":
		return haveServers(), nil
	case "resend":
		return haveResend(), nil
	case "unix_diag":
		return haveUnixDiag(), nil
	case "passthrough":
		return !*fusermount && havePassthrough(), nil
	}
	return false, fmt.Errorf("unknown condition")
}

// realRoot reports whether root runs the tests, and not only the root
// of a user namespace with one user in it.
func realRoot() (bool, error) {
	uids, err := os.ReadFile("/proc/self/uid_map")
	return strings.Join(strings.Fields(string(uids)), " ") == "0 0 4294967295", err
}

// commands are those that scripts have besides testscript's own.
var commands = map[string]func(*testscript.TestScript, bool, []string){
	// mount [flag…] mounts the tree; ! mount expects it to fail and keeps what it said for `stdout`.
	"mount": func(ts *testscript.TestScript, neg bool, args []string) {
		finish(ts, neg, func(t *tree) (string, error) { return t.mount(args...) })
	},
	// umount unmounts it.
	"umount": func(ts *testscript.TestScript, neg bool, _ []string) {
		finish(ts, neg, (*tree).umount)
	},
	// ipcfs runs the command with any arguments. A daemon may hold its output open,
	// so a plain exec could wait for that forever.
	"ipcfs": func(ts *testscript.TestScript, neg bool, args []string) {
		out, err := treeOf(ts).run("ipcfs", args...)
		fmt.Fprint(ts.Stdout(), out)
		if (err != nil) != neg {
			ts.Fatalf("ipcfs: %v", err)
		}
	},
	// parked N waits until N requests wait in the daemon.
	"parked": func(ts *testscript.TestScript, _ bool, args []string) {
		n, err := strconv.Atoi(strings.Join(args, " "))
		ts.Check(err)
		ts.Check(treeOf(ts).parked(n))
	},
	// until CONDITION waits until the shell finds it true; it is for states that no event tells of.
	"until": func(ts *testscript.TestScript, _ bool, args []string) {
		t := treeOf(ts)
		var out []byte
		if !eventually(patience, func() bool {
			cmd := exec.Command("sh", "-c", strings.Join(args, " "))
			cmd.Dir, cmd.Env = t.work, append(os.Environ(), t.env()...)
			var err error
			out, err = cmd.CombinedOutput()
			return err == nil || t.dog.barked()
		}) {
			ts.Fatalf("it did not come true: %s", out)
		}
	},
	// daemon KILL|TERM|INT sends the daemon, or its keeper, a signal; unless it is 0, waits for its end.
	"daemon": func(ts *testscript.TestScript, _ bool, args []string) {
		pid, err := treeOf(ts).daemon()
		ts.Check(err)
		sig := unix.SignalNum("SIG" + strings.Join(args, ""))
		if sig == 0 {
			ts.Fatalf("usage: daemon KILL|TERM|INT")
		}
		ts.Check(syscall.Kill(pid, sig))
		if !gone(pid, patience) {
			ts.Fatalf("the daemon did not end")
		}
	},
	// fds save notes how many descriptors the daemon holds; fds same waits until
	// there are no more than that: releases come late.
	"fds": func(ts *testscript.TestScript, _ bool, args []string) {
		t := treeOf(ts)
		n, err := t.fds()
		ts.Check(err)
		if strings.Join(args, " ") == "save" {
			ts.Setenv("FDS", strconv.Itoa(n))
			return
		}
		want, err := strconv.Atoi(ts.Getenv("FDS"))
		ts.Check(err)
		if !eventually(patience, func() bool { n, err = t.fds(); return err != nil || n <= want }) || err != nil {
			ts.Fatalf("the daemon holds %d descriptors, before it was %d (%v)", n, want, err)
		}
	},
	"natsd": natsdCommand,
	// unstuck checks that no process of the test stays in uninterruptible sleep.
	"unstuck": func(ts *testscript.TestScript, _ bool, _ []string) {
		var stuck []process
		if !eventually(patience, func() bool {
			stuck = nil
			for _, p := range processes(treeOf(ts).work) {
				if p.state == "D" {
					stuck = append(stuck, p)
				}
			}
			return len(stuck) == 0
		}) {
			for _, p := range stuck {
				ts.Logf("%s", p.report())
			}
			ts.Fatalf("in uninterruptible sleep")
		}
	},
	// ended NAME… waits until the background commands that wrote their pids to the files NAME are gone. A
	// shell that becomes the command does it: sh -c 'echo $$ >NAME; exec COMMAND'.
	"ended": func(ts *testscript.TestScript, _ bool, args []string) {
		for _, name := range args {
			pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(name)))
			ts.Check(err)
			if !gone(pid, patience) {
				ts.Fatalf("%s: pid %d is still there", name, pid)
			}
		}
	},
}

// treeOf is the tree of a script. It tells the watchdog that the script
// has come so far: a slow script is not stuck.
func treeOf(ts *testscript.TestScript) *tree {
	t := ts.Value(treeKey{}).(*tree)
	t.dog.allow(lifetime)
	return t
}

// finish runs a command that must succeed and print nothing, or, negated, fail and say why.
func finish(ts *testscript.TestScript, neg bool, f func(*tree) (string, error)) {
	out, err := f(treeOf(ts))
	fmt.Fprint(ts.Stdout(), out)
	switch {
	case !neg && (err != nil || out != ""):
		ts.Fatalf("%v: %s", err, out)
	case neg && err == nil:
		ts.Fatalf("unexpected success")
	case neg && len(bytes.TrimSpace([]byte(out))) == 0:
		ts.Fatalf("it failed without a word")
	}
}
