package tests

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// A shelf is where a daemon finds its next program.
type shelf struct {
	t       *testing.T
	tr      *tree
	name    string
	program []byte // that is tested
}

// shelved is a tree with a keeper, whose program is on a shelf.
func shelved(t *testing.T, flags ...string) *shelf {
	t.Helper()
	return shelvedAs(t, "ipcfs", flags...)
}

// shelvedAs is shelved of a program whose file has a name.
func shelvedAs(t *testing.T, name string, flags ...string) *shelf {
	t.Helper()
	needsResend(t)
	at, err := exec.LookPath("ipcfs")
	check(t, err)
	s := &shelf{t: t, tr: bareTree(t)}
	s.program, err = os.ReadFile(at)
	check(t, err)
	s.name = s.tr.work + "/bin/" + name
	check(t, os.Mkdir(filepath.Dir(s.name), 0755))
	s.put(s.program)
	s.tr.program = s.name
	s.tr.mounted(t, append([]string{"--keeper=on"}, flags...)...)
	return s
}

// put puts a program on the shelf, as packages are installed: another file gets the name.
func (s *shelf) put(program []byte) {
	s.t.Helper()
	writeProgram(s.t, s.name+".new", program)
	check(s.t, os.Rename(s.name+".new", s.name))
}

// writeProgram writes a program that is to be run. No process begins meanwhile: it would have the file open
// for writing until it runs its own program, and the new one could not be run (ETXTBSY).
func writeProgram(t *testing.T, name string, program []byte) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	check(t, os.WriteFile(name, program, 0755))
}

// another is the program with a number in it that is another by one: of the version of a ledger, or of a
// session.
func (s *shelf) another(version uint64) []byte {
	s.t.Helper()
	is, other := binary.NativeEndian.AppendUint64(nil, version), binary.NativeEndian.AppendUint64(nil, version+1)
	program := bytes.ReplaceAll(s.program, is, other)
	if bytes.Equal(program, s.program) {
		s.t.Skipf("no %#x in the program", version)
	}
	return program
}

func (s *shelf) upgrade() (string, error) {
	out, err := s.tr.command("ipcfs", "upgrade", s.tr.mnt).CombinedOutput()
	return string(out), err
}

// pids are those of keeper and worker.
func (s *shelf) pids() (keeper, worker int) {
	s.t.Helper()
	text, err := s.tr.status("keeper_pid")
	check(s.t, err)
	keeper, err = strconv.Atoi(text)
	check(s.t, err)
	worker, err = s.tr.pid()
	check(s.t, err)
	return keeper, worker
}

// runs reports whether a process runs the program that is on the shelf now.
func (s *shelf) runs(pid int) bool {
	s.t.Helper()
	it, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
	check(s.t, err)
	here, err := os.Stat(s.name)
	check(s.t, err)
	return os.SameFile(it, here)
}

// TestUpgrade: the program that is on disk is put into service, worker and keeper, again and again, and
// programs notice nothing. The keeper stays the same process.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	s := shelved(t)
	first, worker := s.pids()
	k := &keeper{t: t, tr: s.tr}
	k.goesOn(func() {
		for i := range 3 {
			s.put(append(bytes.Clone(s.program), byte(i)))
			if out, err := s.upgrade(); err != nil || !strings.Contains(out, " serves, pid ") {
				t.Fatalf("%v\n%s%s", err, out, s.tr.logs())
			}
			keeper, next := s.pids()
			if keeper != first || next == worker || !s.runs(keeper) || !s.runs(next) {
				t.Errorf("keeper %d, then %d; worker %d, then %d", first, keeper, worker, next)
			}
			worker = next
		}
	})
	k.sh(`eval "$(grep -E '^(pid|keeper_pid|restarts|upgrades|last_upgrade)=' $MNT/ctl/status)"
		[ "$restarts $upgrades" = "0 3" ]
		case $last_upgrade in *', done') ;; *) exit 1;; esac
		[ "$(tr '\0' ' ' < /proc/$pid/cmdline | sed 's/ *$//')" = "ipcfs worker $MNT" ]
		[ "$(tr '\0' ' ' < /proc/$keeper_pid/cmdline | sed 's/ *$//')" = "ipcfs keeper $MNT" ]
		kill -9 $pid
		[ $(cat $MNT/ctl/pid) != $pid ]`)
	_, worker = s.pids()
	check(t, unix.Kill(first, unix.SIGTERM))
	if !gone(first, patience) || !gone(worker, patience) {
		t.Error("SIGTERM has not ended the daemon")
	}
}

// TestUpgradeNot: a program that does not come up leaves the one that was, and the command says why.
func TestUpgradeNot(t *testing.T) {
	t.Parallel()
	s := shelved(t)
	k := &keeper{t: t, tr: s.tr}
	k.sh(`: > $MNT/queues/q; : > $MNT/queues/r; echo one > $MNT/queues/q`)
	sleeper := k.carry("sleep=queues/r")
	first, worker := s.pids()
	for _, c := range []struct {
		what, why string
		put       func()
		goesBack  bool
	}{
		{"gone", "no such file", func() { check(t, os.Remove(s.name)) }, false},
		{"a directory", "permission denied", func() { check(t, os.Mkdir(s.name, 0755)) }, false},
		{"not executable", "permission denied", func() {
			check(t, os.Remove(s.name))
			check(t, os.WriteFile(s.name, s.program, 0644))
		}, false},
		{"a FIFO", "permission denied", func() {
			check(t, os.Remove(s.name))
			check(t, unix.Mkfifo(s.name, 0755))
		}, false},
		{"not a program", "exec format error", func() { s.put([]byte("hello\n")) }, false},
		{"another program", "it ended before it was ready, exit status 3: oh no", func() {
			s.put([]byte("#!/bin/sh\necho oh no >&2\nexit 3\n"))
		}, false},
		{"one that does not know a flag", "unknown flag: --keeper", func() {
			s.put(bytes.ReplaceAll(s.program, []byte("keeper"), []byte("sleeps")))
		}, false},
		{"another ledger", "not a ledger of this version", func() { s.put(s.another(backends.LedgerVersion)) }, false},
		{"another session", "cannot be taken over from: not a record; the program of before goes on",
			func() { s.put(s.another(0x6970636673_0001)) }, true},
	} {
		c.put()
		out, err := s.upgrade()
		if err == nil || !strings.Contains(out, c.why) || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: %v\n%s", c.what, err, out)
		}
		keeper, now := s.pids()
		if keeper != first || !c.goesBack && now != worker {
			t.Errorf("%s: keeper %d, then %d; worker %d, then %d", c.what, first, keeper, worker, now)
		}
		worker = now
	}
	k.sh(`[ "$(head -n1 $MNT/queues/q)" = one ]; printf wake > $MNT/queues/r`)
	sleeper()
	k.sh(`rm $MNT/queues/q $MNT/queues/r
		grep -q '^restarts=0$' $MNT/ctl/status`)
}

// TestUpgradeScript: what is on disk may be a script that starts the program.
func TestUpgradeScript(t *testing.T) {
	t.Parallel()
	s := shelved(t)
	real := s.tr.work + "/ipcfs.real"
	writeProgram(t, real, append(bytes.Clone(s.program), 1))
	s.put([]byte("#!/bin/sh\nexec " + real + " \"$@\"\n"))
	first, _ := s.pids()
	for range 2 {
		if out, err := s.upgrade(); err != nil {
			t.Fatalf("%v\n%s%s", err, out, s.tr.logs())
		}
	}
	k := &keeper{t: t, tr: s.tr}
	k.sh(`kill -9 $(cat $MNT/ctl/pid); grep -q '^restarts=1$' $MNT/ctl/status`)
	s.name = real
	if keeper, worker := s.pids(); keeper != first || !s.runs(keeper) || !s.runs(worker) {
		t.Errorf("keeper %d, then %d, or another program runs", first, keeper)
	}
}

// TestUpgradeNamed: the file of the program, and that which a script on disk starts, may have any name.
func TestUpgradeNamed(t *testing.T) {
	t.Parallel()
	s := shelvedAs(t, "good")
	first, _ := s.pids()
	real := s.tr.work + "/better"
	writeProgram(t, real, append(bytes.Clone(s.program), 1))
	for i, program := range [][]byte{append(bytes.Clone(s.program), 2), []byte("#!/bin/sh\nexec " + real + " \"$@\"\n")} {
		s.put(program)
		if out, err := s.upgrade(); err != nil {
			t.Fatalf("%d: %v\n%s%s", i, err, out, s.tr.logs())
		}
	}
	if out, err := s.upgrade(); err != nil {
		t.Errorf("once more: %v\n%s%s", err, out, s.tr.logs())
	}
	s.name = real
	if keeper, worker := s.pids(); keeper != first || !s.runs(keeper) || !s.runs(worker) {
		t.Errorf("keeper %d, then %d, or another program runs", first, keeper)
	}
}

// TestUpgradeNeverReady: a program that has not come up in time is ended, with what it has started, and who
// waits for that does not ask all the time. Another upgrade may follow, also while something of it that has
// left its process group holds on to what the keeper listens to.
func TestUpgradeNeverReady(t *testing.T) {
	t.Parallel()
	s := shelved(t)
	s.put([]byte(`#!/bin/sh
sleep 1000 & echo $! > ` + s.tr.work + `/near
setsid sleep 1000 & echo $! > ` + s.tr.work + `/away
wait
`))
	asked := func() int {
		text, err := s.tr.status("requests")
		check(t, err)
		n, err := strconv.Atoi(text)
		check(t, err)
		return n
	}
	before := asked()
	out, err := s.upgrade()
	if n := asked() - before; n > 200 { // it waits for an event, for ten seconds
		t.Errorf("%d requests meanwhile", n)
	}
	pid := func(name string) (n int) {
		text, err := os.ReadFile(s.tr.work + "/" + name)
		check(t, err)
		n, err = strconv.Atoi(strings.TrimSpace(string(text)))
		check(t, err)
		return n
	}
	defer unix.Kill(pid("away"), unix.SIGKILL)
	if err == nil || !strings.Contains(out, ": it was not ready within 10s, and its keeper") ||
		!gone(pid("near"), patience) {
		t.Errorf("%v\n%s", err, out)
	}
	s.put(append(bytes.Clone(s.program), 1))
	if out, err := s.upgrade(); err != nil {
		t.Errorf("%v\n%s%s", err, out, s.tr.logs())
	}
}

// TestUpgradeAsked: who asks for an upgrade again and again, also while the keeper becomes the new program,
// ends nothing.
func TestUpgradeAsked(t *testing.T) {
	t.Parallel()
	s := shelved(t)
	first, _ := s.pids()
	over, asked := make(chan bool), make(chan error, 1)
	go func() {
		often := time.NewTicker(time.Millisecond)
		defer often.Stop()
		for {
			select {
			case <-over:
				asked <- nil
				return
			case <-often.C:
			}
			for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGUSR1} {
				if err := unix.Kill(first, sig); err != nil {
					asked <- err
					return
				}
			}
		}
	}()
	upgrades := func() (n int) {
		text, err := s.tr.status("upgrades")
		check(t, err)
		n, err = strconv.Atoi(text)
		check(t, err)
		return n
	}
	if !eventually(2*patience, func() bool { return upgrades() >= 5 }) {
		t.Error("too few upgrades")
	}
	close(over)
	check(t, <-asked)
	s.put(append(bytes.Clone(s.program), 1))
	if out, err := s.upgrade(); err != nil || !s.runs(first) { // others that were asked for before may be under way
		t.Errorf("another program goes on: %v\n%s%s", err, out, s.tr.logs())
	}
}

// TestUpgradeBehind: who asks for an upgrade while another one is under way is told how their own ends, which
// has the program that was there when they asked.
func TestUpgradeBehind(t *testing.T) {
	t.Parallel()
	s := shelved(t)
	first, _ := s.pids()
	started := s.tr.work + "/started"
	s.put([]byte("#!/bin/sh\n: > " + started + "\nexec sleep 1000\n"))
	earlier := s.tr.command("ipcfs", "upgrade", s.tr.mnt)
	var said bytes.Buffer
	earlier.Stderr = &said
	check(t, earlier.Start())
	if !eventually(patience, func() bool { _, err := os.Stat(started); return err == nil }) {
		t.Fatal("no upgrade begins")
	}
	s.put(append(bytes.Clone(s.program), 1))
	out, err := s.upgrade()
	if err != nil || !s.runs(first) {
		t.Errorf("%v\n%s%s", err, out, s.tr.logs())
	}
	if err := earlier.Wait(); err == nil || !strings.Contains(said.String(), "it was not ready within") {
		t.Errorf("the one before: %v\n%s", err, &said)
	}
	if n, err := s.tr.status("upgrades"); n != "2" || err != nil {
		t.Errorf("%s upgrades, %v", n, err)
	}
}

// TestUpgradeTogether: many who ask for upgrades at once are all told how theirs ended, also one whose signal
// came as the keeper became another program, or that was told of a worker which has left since.
func TestUpgradeTogether(t *testing.T) {
	t.Parallel()
	s := shelved(t)
	s.tr.dog.allow(2 * lifetime) // each of them takes a tenth of a second, or more on a busy machine
	var all []*exec.Cmd
	for range 3 {
		cmd := s.tr.command("sh", "-ec", "for i in $(seq 30); do timeout 50 ipcfs upgrade $MNT; done")
		cmd.Stderr = new(bytes.Buffer)
		check(t, cmd.Start())
		all = append(all, cmd)
	}
	for _, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, cmd.Stderr)
		}
	}
	if t.Failed() {
		t.Log(s.tr.logs())
	}
}
