package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestKeeperEndsWithHung: the mount goes, and the daemon ends, also when the worker does nothing more: when a
// second signal comes, and else in time. The status is 0 unless a second signal has ended it.
func TestKeeperEndsWithHung(t *testing.T) {
	needsResend(t)
	t.Parallel()
	for what, c := range map[string]struct {
		end  func(tr *tree, keeper *exec.Cmd) error
		code int
		says string
	}{
		"two signals": {func(tr *tree, keeper *exec.Cmd) error {
			check(t, keeper.Process.Signal(unix.SIGTERM))
			if !eventually(patience, func() bool { return strings.Contains(tr.said(), "the mount is to end") }) {
				t.Error("it does not hear")
			}
			return keeper.Process.Signal(unix.SIGTERM)
		}, 1, "ended by a second signal"},
		"one signal": {func(_ *tree, keeper *exec.Cmd) error { return keeper.Process.Signal(unix.SIGTERM) },
			0, "the worker does not end"},
		"a file that stays open": {func(tr *tree, keeper *exec.Cmd) error {
			return keeper.Process.Signal(unix.SIGTERM)
		}, 0, "the worker does not end"},
		"a file that stays open, and an abort": {func(tr *tree, _ *exec.Cmd) error {
			if err := unix.Unmount(tr.mnt, unix.MNT_FORCE); err != unix.EBUSY { // it has ended the connection alone
				return fmt.Errorf("umount2: %w", err)
			}
			return nil
		}, 0, "the worker does not end"},
		"umount(2)": {func(tr *tree, _ *exec.Cmd) error { return unix.Unmount(tr.mnt, 0) },
			0, "the worker does not end"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			tr := bareTree(t)
			cmd := tr.command("ipcfs", "-f", "--keeper=on", "--state-dir", tr.state, tr.mnt)
			file, err := os.Create(tr.work + "/said")
			check(t, err)
			defer file.Close()
			cmd.Stderr = file
			check(t, cmd.Start())
			worker := 0
			if !eventually(patience, func() (up bool) { worker, _ = tr.pid(); return worker != 0 }) {
				t.Fatal(tr.said())
			}
			if strings.HasPrefix(what, "a file") {
				f, err := os.Open(tr.mnt + "/ctl/events")
				check(t, err)
				defer f.Close()
			}
			check(t, unix.Kill(worker, unix.SIGSTOP))
			check(t, c.end(tr, cmd))
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(tr.said(), c.says) {
				t.Errorf("status %d, want %d and %q\n%s", code, c.code, c.says, tr.said())
			}
			if len(mounts(tr.tid, tr.work)) > 0 || !gone(worker, patience) {
				t.Errorf("it is still mounted, or served\n%s", tr.said())
			}
		})
	}
}

// TestUmountHung: `ipcfs umount` of a tree whose worker hangs waits until its keeper has ended that, and the
// state directory is free.
func TestUmountHung(t *testing.T) {
	t.Parallel()
	s := shelved(t)
	keeper, worker := s.pids()
	check(t, unix.Kill(worker, unix.SIGSTOP))
	out, err := s.tr.umount()
	if want := fmt.Sprintf("waiting for its daemon, pid %d, to end", keeper); err != nil || !strings.Contains(out, want) {
		t.Errorf("%v\n%s", err, out)
	}
	for _, pid := range []int{keeper, worker} {
		if !gone(pid, 0) {
			t.Errorf("pid %d has not ended", pid)
		}
	}
	s.tr.mounted(t, "--keeper=on")
}

// TestEndsOwnMount: a daemon whose mount was detached (umount -l) takes no other one away that is in its place,
// also as a keeper that has become another program, and a worker that went on for another one.
func TestEndsOwnMount(t *testing.T) {
	for what, end := range map[string]func(t *testing.T, s *shelf, keeper, worker int){
		"SIGTERM": func(*testing.T, *shelf, int, int) {},
		"kill": func(t *testing.T, s *shelf, keeper, worker int) {
			check(t, unix.Kill(worker, unix.SIGKILL))
			says(t, s, "another worker serves")
		},
		"upgrade": func(t *testing.T, s *shelf, keeper, worker int) {
			check(t, unix.Kill(keeper, unix.SIGHUP))
			says(t, s, "an upgrade is done")
		},
		"upgrade, hang": func(t *testing.T, s *shelf, keeper, worker int) {
			check(t, unix.Kill(keeper, unix.SIGHUP))
			says(t, s, "an upgrade is done")
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", keeper))
			check(t, err)
			children := strings.Fields(string(text)) // and another one that has ended, perhaps
			next, err := strconv.Atoi(children[len(children)-1])
			check(t, err)
			check(t, unix.Kill(next, unix.SIGSTOP))
			check(t, unix.Kill(keeper, unix.SIGTERM)) // and once more, below
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := shelved(t)
			keeper, worker := s.pids()
			f, err := os.Open(s.tr.mnt + "/ctl/events")
			check(t, err)
			defer f.Close()
			check(t, unix.Unmount(s.tr.mnt, unix.MNT_DETACH))
			out, err := s.tr.run("ipcfs", "--state-dir", s.tr.state+"2", "--maxmsg", "10", "--msgsize", "128", s.tr.mnt)
			if err != nil || out != "" {
				t.Fatalf("%v\n%s", err, out)
			}
			end(t, s, keeper, worker)
			check(t, unix.Kill(keeper, unix.SIGTERM))
			if !gone(keeper, patience) {
				t.Error("it has not ended")
			}
			if _, err := s.tr.pid(); err != nil || len(mounts(s.tr.tid, s.tr.work)) != 1 {
				t.Errorf("the other mount is gone: %v", err)
			}
		})
	}
}

// TestEndsBeneath: what somebody has mounted over a tree stays when its daemon ends, which says that its own mount
// does, too; and so if that was moved.
func TestEndsBeneath(t *testing.T) {
	for what, hide := range map[string]func(tr *tree) (at string, err error){
		"covered": func(tr *tree) (string, error) {
			return tr.mnt, unix.Mount("tmpfs", tr.mnt, "tmpfs", 0, "")
		},
		"moved": func(tr *tree) (string, error) {
			at := tr.work + "/elsewhere"
			return at, errors.Join(os.Mkdir(at, 0755), unix.Mount(tr.mnt, at, "", unix.MS_MOVE, ""))
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := shelved(t)
			keeper, worker := s.pids()
			at, err := hide(s.tr)
			check(t, err)
			check(t, unix.Kill(keeper, unix.SIGTERM))
			if !gone(keeper, patience) || !gone(worker, patience) {
				t.Error("it has not ended")
			}
			if log := s.tr.logs(); !strings.Contains(log, "is left there without a daemon") {
				t.Errorf("it does not say that it leaves a mount\n%s", log)
			}
			if what == "covered" {
				check(t, unix.Unmount(at, 0)) // what covers it
			}
			check(t, unix.Unmount(at, unix.MNT_DETACH))
			if left := mounts(s.tr.tid, s.tr.work); len(left) > 0 {
				t.Errorf("%v", left)
			}
		})
	}
}

// says waits until the daemon of a shelf has logged a text.
func says(t *testing.T, s *shelf, text string) {
	t.Helper()
	if !eventually(patience, func() bool { return strings.Contains(s.tr.logs(), text) }) {
		t.Fatalf("no %q\n%s", text, s.tr.logs())
	}
}

// said is what a daemon in the foreground has said to the file of that name.
func (t *tree) said() string {
	text, _ := os.ReadFile(t.work + "/said")
	return string(text)
}
