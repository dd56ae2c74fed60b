package tests

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A watchdog ends a test that hangs. It reports which threads are stuck where, has the daemon print its
// goroutines, and cuts the mount off, which frees everybody who waits for it.
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

// allow gives a test that has much to do so much time from now on.
func (d *watchdog) allow(long time.Duration) { d.timer.Reset(long) }

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
	fmt.Fprintf(&report, "the daemon said:\n%s", d.tree.logs())
	d.log(report.String())
	for _, m := range mounts(d.tree.tid, d.tree.work) {
		abort(m)
	}
	for _, p := range all {
		_ = unix.Kill(p.pid, unix.SIGKILL)
	}
}

// abort cuts a FUSE mount off from its daemon. Without fusectl there is nothing to do:
// the daemon is about to be killed, which does the same.
func abort(m mountPoint) {
	_ = os.WriteFile("/sys/fs/fuse/connections/"+m.minor+"/abort", []byte("1"), 0)
}
