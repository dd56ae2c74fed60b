package tests

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A watchdog ends a test that hangs. It reports which threads are stuck where, has the daemon print its
// goroutines, and cuts the mount off, which frees everybody who waits for it. What the test begins after that
// may hang too: until it is called off, the watchdog ends all of it again and again (TestWatchdog).
type watchdog struct {
	tree  *tree
	log   func(...any)
	timer *time.Timer

	mu   sync.Mutex
	bark bool
	done bool
}

func watch(t *tree, log func(...any)) *watchdog {
	d := &watchdog{tree: t, log: log}
	d.timer = time.AfterFunc(lifetime, d.fire)
	return d
}

// barksAgain is how long a test that hung has for each thing more.
const barksAgain = 2 * time.Second

// allow gives a test that has much to do so much time from now on, unless it has hung.
func (d *watchdog) allow(long time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.bark {
		d.timer.Reset(long)
	}
}

// stop calls the watchdog off; it waits for one that is at work.
func (d *watchdog) stop() {
	d.timer.Stop()
	d.mu.Lock()
	d.done = true
	d.mu.Unlock()
}

// barked reports whether the watchdog had to act.
func (d *watchdog) barked() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bark
}

func (d *watchdog) fire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done {
		return
	}
	first := !d.bark
	d.bark = true
	var report strings.Builder
	report.WriteString("no end in time; processes:\n")
	all := processes(d.tree.work)
	for _, p := range all {
		report.WriteString(p.report())
	}
	for _, p := range all {
		if p.daemon {
			_ = unix.Kill(p.pid, unix.SIGQUIT)
			gone(p.pid, 5*time.Second)
		}
	}
	if first {
		fmt.Fprintf(&report, "the daemon said:\n%s", d.tree.logs())
		d.log(report.String())
	}
	for _, m := range mounts(d.tree.tid, d.tree.work) {
		abort(m)
	}
	for _, p := range processes(d.tree.work) {
		_ = unix.Kill(p.pid, unix.SIGKILL)
	}
	d.timer.Reset(barksAgain)
}

// abort cuts a FUSE mount off from its daemon. Without fusectl there is nothing to do:
// the daemon is about to be killed, which does the same.
func abort(m mountPoint) {
	_ = os.WriteFile("/sys/fs/fuse/connections/"+m.minor+"/abort", []byte("1"), 0)
}

// TestWatchdog: whatever a test that hung begins after that has an end, too.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	tr, err := newTree(t.TempDir(), func(...any) {})
	check(t, err)
	tr.dog.allow(time.Millisecond)
	for range 2 {
		if err := tr.command("sleep", "1000").Run(); err == nil || err.Error() != "signal: killed" {
			t.Error(err)
		}
		tr.dog.allow(lifetime) // as a script's next command does
	}
	if problems := tr.leftovers(); len(problems) != 1 {
		t.Error(problems)
	}
}
