package tests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/tests/ipctool"
	"golang.org/x/sys/unix"
)

// A tree is one test's own: its work directory, its namespaces and the daemons it starts there. It belongs to
// the goroutine that made it, whose thread is in those namespaces; other goroutines and processes see the
// tree only if they were started from there.
type tree struct {
	work, mnt, state string
	other            string // where a second daemon of the test's mounts a tree; "": nowhere
	program          string // that mounts it
	tid              int
	user             bool // its thread is an ordinary user's (becomeUser)
	dog              *watchdog
}

// newTree puts the calling goroutine into fresh mount and ipc namespaces for good and makes work
// the test's place. The caller calls leftovers in the end.
func newTree(work string, log func(...any)) (*tree, error) {
	// Never unlocked: the thread ends with the goroutine.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWIPC); err != nil {
		return nil, fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("tmpfs", "/dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"); err != nil {
		return nil, fmt.Errorf("mounting /dev/shm: %w", err)
	}
	t := &tree{work: work, mnt: work + "/mnt", state: work + "/state", program: "ipcfs", tid: unix.Gettid()}
	// Users 1000 and 1001 of the tests go there too.
	for _, dir := range []string{filepath.Dir(work), work} {
		if err := os.Chmod(dir, 0755); err != nil {
			return nil, err
		}
	}
	if err := os.Mkdir(t.mnt, 0755); err != nil {
		return nil, err
	}
	t.dog = watch(t, log)
	return t, nil
}

// bareTree is newTree for a Go test or benchmark, checked and cleaned up when that ends.
func bareTree(t testing.TB) *tree {
	t.Helper()
	tr, err := newTree(t.TempDir(), t.Log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, problem := range tr.leftovers() {
			t.Error(problem)
		}
	})
	return tr
}

// mountTree is bareTree with the daemon's mount.
func mountTree(t testing.TB, flags ...string) *tree {
	t.Helper()
	tr := bareTree(t)
	tr.mounted(t, flags...)
	return tr
}

// mounted mounts the tree.
func (t *tree) mounted(on testing.TB, flags ...string) {
	on.Helper()
	if out, err := t.mount(flags...); err != nil || out != "" {
		on.Fatalf("mount: %v\n%s", err, out)
	}
}

// mountOther mounts a second tree, of a daemon of its own.
func (t *tree) mountOther(on *testing.T, flags ...string) {
	on.Helper()
	t.other = t.mnt + "2"
	args := append([]string{"--state-dir", t.state + "2", "--maxmsg", "10", "--msgsize", "128"}, flags...)
	err := os.Mkdir(t.other, 0755)
	if err == nil {
		_, err = t.run(t.program, append(args, t.other)...)
	}
	check(on, err)
}

// join puts the calling goroutine, for good, into the namespaces of the one
// that made the tree, which must not end meanwhile.
func (t *tree) join() error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	for name, kind := range map[string]int{"mnt": unix.CLONE_NEWNS, "ipc": unix.CLONE_NEWIPC} {
		fd, err := unix.Open(fmt.Sprintf("/proc/self/task/%d/ns/%s", t.tid, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		err = unix.Setns(fd, kind)
		_ = unix.Close(fd)
		if err != nil {
			return fmt.Errorf("setns: %w", err)
		}
	}
	return nil
}

// env is what marks a process as one of the tree's and leads it there.
func (t *tree) env() []string {
	vars := []string{
		"WORK=" + t.work, "MNT=" + t.mnt, "STATE=" + t.state, "GOTRACEBACK=all", "IPCFS_POINT=" + t.work + "/point",
		"GORACE=atexit_sleep_ms=0 log_path='" + t.work + "/race'", // a test's name, and so its directory, can have a comma
	}
	if t.user {
		vars = append(vars, "TMPDIR="+t.work+"/.tmp")
	}
	return vars
}

// command makes a command that runs in the tree.
func (t *tree) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = t.work
	cmd.Env = append(os.Environ(), t.env()...)
	return cmd
}

// run runs a command whose output may outlive it, as a daemon's does, and returns what it printed.
func (t *tree) run(name string, args ...string) (string, error) {
	out, err := os.OpenFile(t.work+"/daemon.log", os.O_CREATE|os.O_RDWR|os.O_APPEND, 0644)
	if err != nil {
		return "", err
	}
	defer out.Close()
	start, err := out.Seek(0, 2)
	if err != nil {
		return "", err
	}
	cmd := t.command(name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	end, _ := out.Seek(0, 2)
	text := make([]byte, end-start)
	_, readErr := out.ReadAt(text, start)
	return string(text), errors.Join(err, readErr)
}

// mount mounts the tree and returns what the command printed. Later flags win.
func (t *tree) mount(flags ...string) (string, error) {
	args := []string{"--state-dir", t.state, "--maxmsg", "10", "--msgsize", "128"}
	if *kept != "" && t.program == "ipcfs" {
		args = append(args, "--keeper="+*kept) // of two the last one counts
	}
	return t.run(t.program, append(append(args, flags...), t.mnt)...)
}

// umount unmounts the tree and returns what the command printed, without the list of programs that used it.
func (t *tree) umount() (string, error) {
	out, err := t.run("ipcfs", "umount", t.mnt)
	if err == nil && strings.HasPrefix(out, "ipcfs: ") &&
		strings.Contains(out, " was in use, and has ended for: ") {
		out = ""
	}
	return out, err
}

// status is one value of /ctl/status.
func (t *tree) status(key string) (string, error) { return statusOf(t.mnt, key) }

func statusOf(mnt, key string) (string, error) {
	text, err := os.ReadFile(mnt + "/ctl/status")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), key+"="); ok {
			return value, nil
		}
	}
	return "", fmt.Errorf("no %s= in ctl/status:\n%s", key, text)
}

// pid is the daemon's.
func (t *tree) pid() (int, error) {
	s, err := t.status("pid")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(s)
}

// daemon is the process that keeps the mount: the keeper, or where there is none the daemon.
func (t *tree) daemon() (int, error) {
	if s, err := t.status("keeper_pid"); err == nil && s != "" {
		return strconv.Atoi(s)
	}
	return t.pid()
}

// parked waits until n requests are waiting for an object to become ready.
func (t *tree) parked(n int) error {
	var got int
	var err error
	if !eventually(patience, func() bool {
		got = 0
		for _, mnt := range []string{t.mnt, t.other} {
			if mnt == "" {
				continue
			}
			var s string
			if s, err = statusOf(mnt, "parked"); err != nil {
				return true
			}
			n, _ := strconv.Atoi(s)
			got += n
		}
		return got == n
	}) {
		return fmt.Errorf("parked=%d, want %d", got, n)
	}
	return err
}

// fds counts the descriptors the daemon holds.
func (t *tree) fds() (int, error) {
	pid, err := t.pid()
	if err != nil {
		return 0, err
	}
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(list), err
}

// endPrograms ends the test's processes but the daemon, and tells of those that do not end.
func (t *tree) endPrograms() (problems []string) {
	for _, p := range processes(t.work) {
		if p.daemon {
			continue
		}
		_ = unix.Kill(p.pid, unix.SIGKILL)
		if !gone(p.pid, patience) {
			problems = append(problems, "SIGKILL did not end it: "+p.report())
		}
	}
	return problems
}

// leftovers ends the test's processes, removes its queues through the tree, unmounts, and tells what is not
// as it should be then: a process that does not die, a mount or a daemon that stays, a queue that rm did
// not remove, a data race in the daemon.
func (t *tree) leftovers() (problems []string) {
	defer t.dog.stop()
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	problems = t.endPrograms()
	list, err := os.ReadDir(t.mnt + "/queues")
	if err != nil {
		t.unlinkQueues() // not mounted: they outlive every daemon
	}
	for _, q := range list {
		if err := os.Remove(filepath.Join(t.mnt, "queues", q.Name())); err != nil {
			say("%v", err)
		}
	}
	for _, m := range mounts(t.tid, t.work) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		cmd := exec.CommandContext(ctx, "ipcfs", "umount", m.path)
		cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
		cmd.WaitDelay = time.Second
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			say("ipcfs umount %s: %v\n%s", m.path, err, out)
		}
		cancel()
	}
	if t.user {
		if err := t.becomeRoot(); err != nil {
			say("%v", err)
		}
	}
	for _, m := range mounts(t.tid, t.work) {
		say("still mounted: %s", m.path)
	}
	for _, p := range processes(t.work) {
		if !gone(p.pid, patience) {
			say("still running: %s", p.report())
		}
	}
	if names, err := ipctool.NativeQueues(); err != nil || len(names) > 0 {
		say("queues left: %q %v", names, err)
	}
	if races, _ := filepath.Glob(t.work + "/race.*"); len(races) > 0 {
		text, _ := os.ReadFile(races[0])
		say("%s", text)
	}
	if log := t.logs(); strings.Contains(log, "panic") {
		say("a panic in the daemon:\n%s", log)
	}
	if t.dog.barked() {
		say("it hung and was ended by the watchdog")
	}
	if len(problems) > 0 {
		t.destroy()
	}
	return problems
}

// logs is what the daemons of the tree said.
func (t *tree) logs() string {
	var all []byte
	files, _ := filepath.Glob(t.work + "/*/ipcfs.log")
	for _, name := range append(files, t.work+"/daemon.log") {
		text, _ := os.ReadFile(name)
		all = append(all, text...)
	}
	return string(all)
}

// destroy ends all that is left by force.
func (t *tree) destroy() {
	for _, m := range mounts(t.tid, t.work) {
		abort(m)
	}
	for _, p := range processes(t.work) {
		_ = unix.Kill(p.pid, syscall.SIGKILL)
	}
	for _, m := range mounts(t.tid, t.work) {
		_ = unix.Unmount(m.path, unix.MNT_DETACH)
	}
	t.unlinkQueues()
}

func (t *tree) unlinkQueues() {
	names, _ := ipctool.NativeQueues()
	for _, name := range names {
		_ = ipctool.MqUnlink(name)
	}
}
