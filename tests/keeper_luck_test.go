package tests

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestKeeperRefused: while the machine refuses a new worker what it needs, programs wait, and go on when it
// does no more.
func TestKeeperRefused(t *testing.T) {
	t.Parallel()
	group := fmt.Sprintf("/sys/fs/cgroup/pids/ipcfs-%x", rand.Uint64())
	t.Cleanup(func() { _ = os.Remove(group) }) // when the daemon has ended
	s := shelved(t)
	k := &keeper{t: t, tr: s.tr}
	k.sh(`: > $MNT/queues/q; touch $MNT/sockets/s; mkfifo $MNT/fifos/f`)
	sleepers := k.carry("sleep=queues/q", "sleep=queues/q", "sleep=queues/q", "sleep=queues/q")
	first, _ := s.pids()
	limit := func(max uint64) {
		var old unix.Rlimit
		check(t, unix.Prlimit(first, unix.RLIMIT_NOFILE, nil, &old))
		check(t, unix.Prlimit(first, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: max, Max: old.Max}, nil))
	}
	log := func() string { // and nothing else is looked at: nobody may be serving the tree
		text, err := os.ReadFile(s.tr.state + "/ipcfs.log")
		check(t, err)
		return string(text)
	}
	in := func(file, text string) {
		check(t, os.WriteFile(group+"/"+file, []byte(text), 0))
	}
	for _, c := range []struct {
		what, why    string
		begins, ends func()
	}{
		{"its program is not executable", "permission denied",
			func() { check(t, os.Chmod(s.name, 0644)) }, func() { check(t, os.Chmod(s.name, 0755)) }},
		{"no descriptor is free", "too many open files", func() { limit(3) }, func() { limit(1024) }},
		{"fork(2) is refused", "resource temporarily unavailable", func() {
			if err := os.Mkdir(group, 0755); err != nil {
				t.Logf("no cgroup of its own: %v", err)
				group = ""
				return
			}
			in("cgroup.procs", fmt.Sprint(first))
			in("pids.max", "1")
		}, func() { in("pids.max", "max") }},
		{"its program is gone", "", func() { check(t, os.Remove(s.name)) }, func() {}},
	} {
		before := strings.Count(log(), "a worker cannot be started")
		_, worker := s.pids()
		c.begins()
		if group == "" {
			group = "none"
			continue
		}
		check(t, unix.Kill(worker, unix.SIGKILL))
		if c.why != "" && !eventually(patience, func() bool {
			return strings.Count(log(), "a worker cannot be started") > before
		}) {
			t.Fatalf("%s: a worker was started all the same\n%s", c.what, log())
		}
		c.ends()
		k.sh(`printf wake > $MNT/queues/q`)
		if !strings.Contains(log(), c.why) {
			t.Errorf("%s: the log has no %q\n%s", c.what, c.why, log())
		}
	}
	if group == "none" {
		k.sh(`printf wake > $MNT/queues/q`)
	}
	sleepers()
	k.sh(`rm $MNT/queues/q`)
}

// TestKeeperFull: where the state is kept on a file system with no room at all, a worker is followed by
// another.
func TestKeeperFull(t *testing.T) {
	needsResend(t)
	t.Parallel()
	tr := bareTree(t)
	check(t, os.Mkdir(tr.state, 0700))
	check(t, unix.Mount("tmpfs", tr.state, "tmpfs", 0, "size=256k,nr_inodes=60,mode=700"))
	t.Cleanup(func() { check(t, unix.Unmount(tr.state, unix.MNT_DETACH)) })
	tr.mounted(t, "--keeper=on")
	k := &keeper{t: t, tr: tr}
	k.sh(`: > $MNT/queues/q; touch $MNT/sockets/s; mkfifo $MNT/fifos/f; : > $MNT/topics/t; echo job > $MNT/queues/q
		exec 3<> $MNT/ctl/queues/q/lease; read -r x <&3
		dd if=/dev/zero of=$STATE/fill bs=1k 2> /dev/null || true
		i=0; while touch $STATE/fill$i; do i=$((i+1)); done 2> /dev/null
		kill -9 $(cat $MNT/ctl/pid)
		[ "$(sed -n s/^restarts=//p $MNT/ctl/status)" = 1 ]
		[ -p $MNT/fifos/f ]; [ -f $MNT/sockets/s ]
		echo ack >&3; [ -z "$(cat $MNT/ctl/queues/q/drain)" ]
		rm $MNT/queues/q $STATE/fill*`)
}

// TestKeeperGivesUp: a worker that crashes again and again is given up: nothing is mounted, and the daemon
// ends with status 1 and says why.
func TestKeeperGivesUp(t *testing.T) {
	needsResend(t)
	t.Parallel()
	tr := bareTree(t)
	cmd := tr.command("ipcfs", "-f", "--state-dir", tr.state, "--keeper=on", tr.mnt)
	var said strings.Builder
	cmd.Stderr = &said
	check(t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	last := 0
	for crashes := range 5 {
		var pid int
		if !eventually(patience, func() bool {
			pid, _ = tr.pid()
			return pid != 0 && pid != last
		}) {
			t.Fatalf("no worker after %d crashes\n%s", crashes, said.String())
		}
		last = pid
		check(t, unix.Kill(pid, unix.SIGSEGV))
	}
	select {
	case err := <-done:
		var status *exec.ExitError
		if !errors.As(err, &status) || status.ExitCode() != 1 {
			t.Errorf("it has ended with %v, want status 1", err)
		}
	case <-time.After(patience):
		t.Fatal("it goes on")
	}
	if text := said.String(); !strings.Contains(text, "the daemon ended again and again: exit status 2") ||
		!strings.Contains(text, "a panic, a fatal error or a signal") ||
		!strings.Contains(text, "; 5 workers have ended by themselves in 10s") ||
		!strings.Contains(text, "SIGSEGV") || !strings.Contains(text, "goroutine ") {
		t.Errorf("it says:\n%s", text)
	}
	if len(mounts(tr.tid, tr.work)) > 0 {
		t.Error("it is still mounted")
	}
}

// TestKeeperKilledBoth: when keeper and worker are killed at once, the next daemon takes the dead mount
// away, and has what a daemon that was killed leaves.
func TestKeeperKilledBoth(t *testing.T) {
	t.Parallel()
	s := shelved(t)
	k := &keeper{t: t, tr: s.tr}
	k.sh(`: > $MNT/queues/q; echo one > $MNT/queues/q; echo two > $MNT/queues/q
		exec 3<> $MNT/ctl/queues/q/lease; read -r x <&3; [ $x = one ]
		kill -9 $(sed -n s/^keeper_pid=//p $MNT/ctl/status) $(cat $MNT/ctl/pid) || : # one may be dead by the other`)
	s.tr.mounted(t, "--keeper=on")
	k.sh(`[ "$(cat $MNT/ctl/queues/q/drain | sort | tr '\n' ' ')" = 'one two ' ]; rm $MNT/queues/q
		grep -q '^restarts=0$' $MNT/ctl/status`)
}

// TestKeeperStopped: with a keeper that is stopped (SIGSTOP) the tree is served, and can be unmounted. When
// it goes on, it does what was to be done.
func TestKeeperStopped(t *testing.T) {
	t.Parallel()
	s := shelved(t)
	k := &keeper{t: t, tr: s.tr}
	keeper, worker := s.pids()
	check(t, unix.Kill(keeper, unix.SIGSTOP))
	k.sh(`: > $MNT/queues/q; echo one > $MNT/queues/q`)
	check(t, unix.Kill(worker, unix.SIGKILL))
	check(t, unix.Kill(keeper, unix.SIGCONT))
	k.sh(`[ "$(head -n1 $MNT/queues/q)" = one ]; rm $MNT/queues/q`)
	check(t, unix.Kill(keeper, unix.SIGSTOP))
	advice := fmt.Sprintf("its keeper is stopped (kill -CONT %d)", keeper)
	if out, err := s.upgrade(); err == nil || !strings.Contains(out, advice) {
		t.Errorf("upgrade: %v\n%s", err, out)
	}
	out, err := s.tr.umount()
	check(t, unix.Kill(keeper, unix.SIGCONT))
	told := strings.Contains(out, fmt.Sprintf(", pid %d, has not ended", keeper))
	if err == nil || !told || !gone(keeper, patience) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestKeeperLocked: while no worker runs, nobody else takes the state directory.
func TestKeeperLocked(t *testing.T) {
	t.Parallel()
	s := shelved(t)
	k := &keeper{t: t, tr: s.tr}
	keeper, worker := s.pids()
	check(t, os.Mkdir(s.tr.work+"/other", 0755))
	check(t, unix.Kill(keeper, unix.SIGSTOP))
	check(t, unix.Kill(worker, unix.SIGKILL))
	out, err := s.tr.command("ipcfs", "--state-dir", s.tr.state, s.tr.work+"/other").CombinedOutput()
	check(t, unix.Kill(keeper, unix.SIGCONT))
	if err == nil || !strings.Contains(string(out), "in use by another ipcfs") {
		t.Errorf("%v\n%s", err, out)
	}
	k.sh(`[ "$(sed -n s/^restarts=//p $MNT/ctl/status)" = 1 ]`)
	if out, err := s.upgrade(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestKeeperDirectories: who has a directory open, the root too, goes on with another worker.
func TestKeeperDirectories(t *testing.T) {
	needsResend(t)
	t.Parallel()
	k := &keeper{t: t, tr: mountTree(t, "--keeper=on")}
	k.sh(`exec 7< $MNT 8< $MNT/sysv 9< $MNT/queues
		kill -9 $(cat $MNT/ctl/pid)
		grep -q '^restarts=1$' $MNT/ctl/status
		for fd in 7 8 9; do [ "$(stat -L -c %F /proc/self/fd/$fd)" = directory ]; done`)
}

// TestKeeperHang: a worker that takes no requests although some wait is killed, and the next one goes on.
func TestKeeperHang(t *testing.T) {
	soak(t)
	t.Parallel()
	s := shelved(t)
	k := &keeper{t: t, tr: s.tr}
	_, worker := s.pids()
	k.sh(`: > $MNT/queues/q`)
	check(t, unix.Kill(worker, unix.SIGSTOP))
	k.sh(`echo one > $MNT/queues/q; [ "$(head -n1 $MNT/queues/q)" = one ]; rm $MNT/queues/q`)
	if log := s.tr.logs(); !strings.Contains(log, "the worker takes up no requests") {
		t.Error(log)
	}
	if crash, err := s.tr.status("last_crash"); err != nil ||
		!strings.Contains(crash, ", it took up no requests for 10s, and its keeper ended it") {
		t.Error(crash, err)
	}
}

// TestKeeperForeground: a daemon in the foreground is upgraded as any other, and ends with status 0 when it
// is told to, by a signal to the keeper or to the worker, or when somebody else unmounts the tree.
func TestKeeperForeground(t *testing.T) {
	needsResend(t)
	t.Parallel()
	tr := bareTree(t)
	for what, end := range map[string]func(keeper, worker int) error{
		"SIGINT to the keeper":  func(keeper, _ int) error { return unix.Kill(keeper, unix.SIGINT) },
		"SIGTERM to the worker": func(_, worker int) error { return unix.Kill(worker, unix.SIGTERM) },
		"umount(2)":             func(int, int) error { return unix.Unmount(tr.mnt, 0) },
	} {
		cmd := tr.command("ipcfs", "-f", "--keeper=on", "--state-dir", tr.state, tr.mnt)
		var said strings.Builder
		cmd.Stderr = &said
		check(t, cmd.Start())
		if !eventually(patience, func() bool { pid, err := tr.pid(); return err == nil && pid != 0 }) {
			t.Fatal(said.String())
		}
		if out, err := tr.command("ipcfs", "upgrade", tr.mnt).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", what, err, out)
		}
		worker, err := tr.pid()
		check(t, err)
		check(t, end(cmd.Process.Pid, worker))
		if err := cmd.Wait(); err != nil || len(mounts(tr.tid, tr.work)) > 0 || !gone(worker, patience) {
			t.Errorf("%s: %v\n%s", what, err, said.String())
		}
	}
}

// TestKeeperUnread: a daemon in the foreground goes on when nobody reads any more what it logs.
func TestKeeperUnread(t *testing.T) {
	needsResend(t)
	t.Parallel()
	tr := bareTree(t)
	cmd := tr.command("ipcfs", "-f", "--keeper=on", "--state-dir", tr.state, tr.mnt)
	said, err := cmd.StderrPipe()
	check(t, err)
	check(t, cmd.Start())
	first := make([]byte, 1)
	if _, err := said.Read(first); err != nil {
		t.Fatal(err)
	}
	check(t, said.Close())
	k := &keeper{t: t, tr: tr}
	k.sh(`while [ ! -e $MNT/ctl/pid ]; do :; done
		kill -9 $(cat $MNT/ctl/pid); grep -q '^restarts=1$' $MNT/ctl/status
		kill -TERM $(sed -n s/^keeper_pid=//p $MNT/ctl/status)`)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestKeeperNohup: a daemon that nohup(1) has started outlives its terminal, and is upgraded then as any
// other.
func TestKeeperNohup(t *testing.T) {
	needsResend(t)
	t.Parallel()
	tr := bareTree(t)
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	check(t, err)
	fd := int(terminal.Fd())
	check(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	check(t, err)
	here, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	check(t, err)
	said, err := os.Create(tr.work + "/said")
	check(t, err)
	defer said.Close()
	log := func() string {
		text, err := os.ReadFile(said.Name())
		check(t, err)
		return string(text)
	}
	cmd := tr.command("sh", "-c", `trap "" HUP; exec ipcfs -f --keeper=on --state-dir $STATE $MNT`)
	cmd.Stdin, cmd.Stderr = here, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	check(t, cmd.Start())
	check(t, here.Close())
	if !eventually(patience, func() bool { pid, err := tr.pid(); return err == nil && pid != 0 }) {
		t.Fatal(log())
	}
	check(t, terminal.Close())
	if !eventually(patience, func() bool { return strings.Contains(log(), "the terminal has hung up") }) {
		t.Fatal(log())
	}
	if out, err := tr.command("ipcfs", "upgrade", tr.mnt).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s%s", err, out, log())
	}
	check(t, cmd.Process.Signal(unix.SIGTERM))
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, log())
	}
}
