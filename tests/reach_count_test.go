package tests

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var counted = flag.Int("counted", 0, "how many messages TestReachCounted moves; 0: as many as it has time for")

// TestReachCounted has writers and readers in two trees move messages through a queue that servers keep,
// while their calls are interrupted at random and servers are killed: none is lost, and none comes twice.
// With -long it is many more, on three servers of which one is killed every ten seconds.
func TestReachCounted(t *testing.T) {
	t.Parallel()
	servers, messages, period, kills := 1, 2000, time.Second, 2
	options := ",redeliver=10s"
	if *long {
		servers, messages, period, kills = 3, 200_000, 10*time.Second, 1000
		options += ",replicas=3"
	}
	if *counted > 0 {
		messages = *counted
	}
	nats := natsServers(t, servers, "")
	tr := bareTree(t)
	attach := "prod=" + nats.URL() + options
	tr.mounted(t, "--attach", attach)
	tr.mountOther(t, "--attach", attach)
	linked := func() bool { return isUp(tr.mnt) && isUp(tr.other) }
	if !eventually(patience, linked) {
		t.Fatal("the trees are not connected")
	}
	check(t, os.WriteFile(tr.mnt+"/ctl/new", []byte("prod/queues/counted maxmsg=500 msgsize=64\n"), 0))
	c := &count{
		t: t, tree: tr, to: "/prod/queues/counted", each: messages / pairs, seen: map[string][]receipt{},
		over: make(chan struct{}),
	}
	began := time.Now()
	if *long {
		tr.dog.allow(4 * time.Minute)
		c.until = began.Add(100 * time.Second)
	}
	if *counted > 0 {
		tr.dog.allow(2 * time.Hour)
		c.until = time.Time{}
	}
	var writers, readers, others sync.WaitGroup
	for i := range pairs {
		mnt := []string{tr.mnt, tr.other}[i%2]
		writers.Go(func() { c.write(mnt, i) })
		readers.Go(func() { c.read(mnt) })
	}
	others.Go(c.interrupt)
	killed := 0
	others.Go(func() {
		for i := 0; i < kills; i++ {
			select {
			case <-c.over:
				return
			case <-time.After(period):
			}
			killed++
			c.t.Logf("%v: server %d is killed", time.Since(began).Round(time.Millisecond), i%servers+1)
			check(t, nats.Kill(i%servers+1))
			check(t, nats.Restart(i%servers+1))
			check(t, nats.Ready())
		}
	})
	writers.Wait()
	if !eventually(time.Minute, func() bool { return c.distinct.Load() >= c.sent.Load() || t.Failed() }) {
		t.Errorf("lost: %d of %d", c.sent.Load()-c.distinct.Load(), c.sent.Load())
	}
	close(c.over)
	others.Wait()
	for _, mnt := range []string{tr.mnt, tr.other} {
		if !eventually(patience, func() bool {
			return os.WriteFile(mnt+"/ctl/prod/queues/counted/ctl", []byte("eof\neof\n"), 0) == nil
		}) {
			status, _ := os.ReadFile(mnt + "/ctl/prod/status")
			why, _ := os.ReadFile(mnt + "/ctl/err")
			t.Errorf("the readers cannot be ended: %s%s", status, why)
		}
	}
	readers.Wait()
	c.holdsOnly(0)
	doubled := c.doubled(began)
	t.Logf("%d messages in %v, %d servers killed, %d calls interrupted, %d that failed: lost %d, doubled %d",
		c.sent.Load(), time.Since(began).Round(time.Millisecond), killed, c.interrupted.Load(), c.failed.Load(),
		int(c.sent.Load())-len(c.seen), doubled)
	if doubled > 0 {
		t.Errorf("%d messages came twice", doubled)
	}
}

// holdsOnly says of both trees, when all files are closed, that no message counts as memory any more: what
// does are receipts, of a multiple of so many bytes.
func (c *count) holdsOnly(unit int) {
	for _, mnt := range []string{c.tree.mnt, c.tree.other} {
		used := -1
		if !eventually(patience, func() bool {
			text, _ := os.ReadFile(mnt + "/ctl/limits")
			_, line, _ := strings.Cut(string(text), "\nmemory ")
			_, _ = fmt.Sscan(line, &used)
			return used == 0 || unit > 0 && used > 0 && used%unit == 0
		}) {
			c.t.Errorf("nobody has anything open, and %d bytes count", used)
		}
	}
}

// doubled is how many messages came more than once.
func (c *count) doubled(began time.Time) (n int) {
	for msg, list := range c.seen {
		if len(list) == 1 {
			continue
		}
		n++
		for _, r := range list {
			c.t.Logf("%v: %s came to %s", r.at.Sub(began).Round(time.Millisecond), msg, r.mnt)
		}
	}
	return n
}

// pairs are how many write, and how many read.
const pairs = 8

func isUp(mnt string) bool {
	text, _ := os.ReadFile(mnt + "/ctl/prod/status")
	return strings.Contains(string(text), "link=up")
}

// count is what is counted.
type count struct {
	t     *testing.T
	tree  *tree
	to    string    // where it is written
	each  int       // messages of each writer,
	until time.Time // or as many as they get done by then; zero: all
	ahead int64     // so many at most that did not come; 0: any number
	over  chan struct{}

	sent, distinct, interrupted, failed atomic.Int64

	mu      sync.Mutex
	seen    map[string][]receipt
	threads []int // whose calls are interrupted
}

// A receipt is one message that came.
type receipt struct {
	mnt string
	at  time.Time
}

// open opens a file, on a thread of its own.
func (c *count) open(path string, flags int) int {
	if err := c.tree.join(); err != nil {
		c.t.Error(err)
		runtime.Goexit()
	}
	for {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
		switch {
		case err == nil:
			c.mu.Lock()
			c.threads = append(c.threads, unix.Gettid())
			c.mu.Unlock()
			return fd
		case !c.goesOn(err):
			c.t.Errorf("open: %v", err)
			runtime.Goexit()
		}
	}
}

// goesOn reports whether an error is one after which the same call is made again, and waits a moment if there
// is no connection.
func (c *count) goesOn(err error) bool {
	switch err {
	case unix.EINTR:
		c.interrupted.Add(1)
	case unix.EHOSTDOWN, unix.ETIMEDOUT:
		c.failed.Add(1)
		<-time.After(10 * time.Millisecond)
	default:
		return false
	}
	return true
}

func (c *count) write(mnt string, writer int) {
	fd := c.open(mnt+c.to, unix.O_WRONLY)
	defer unix.Close(fd)
	for i := 0; i < c.each && (c.until.IsZero() || time.Now().Before(c.until)); {
		if c.ahead > 0 && c.sent.Load()-c.distinct.Load() >= c.ahead {
			<-time.After(time.Millisecond)
			continue
		}
		switch _, err := unix.Write(fd, fmt.Appendf(nil, "%d-%d", writer, i)); {
		case err == nil:
			i++
			c.sent.Add(1)
		case !c.goesOn(err):
			why, _ := os.ReadFile(mnt + "/ctl/err")
			c.t.Errorf("write: %v\n%s", err, why)
			return
		}
	}
}

func (c *count) read(mnt string) {
	fd := c.open(mnt+c.to, unix.O_RDONLY)
	defer unix.Close(fd)
	buf := make([]byte, 64)
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case err == nil && n == 0:
			return
		case err == nil:
			c.received(mnt, string(buf[:n]))
		case !c.goesOn(err):
			why, _ := os.ReadFile(mnt + "/ctl/err")
			c.t.Errorf("read: %v\n%s", err, why)
			return
		}
	}
}

// received notes a message.
func (c *count) received(mnt, msg string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen[msg] = append(c.seen[msg], receipt{mnt, time.Now()}); len(c.seen[msg]) == 1 {
		c.distinct.Add(1)
	}
}

// interrupt interrupts calls at random. SIGURG is what Go's own runtime interrupts threads with.
func (c *count) interrupt() {
	for {
		select {
		case <-c.over:
			return
		case <-time.After(time.Duration(rand.IntN(4)) * time.Millisecond):
		}
		c.mu.Lock()
		if len(c.threads) > 0 {
			_ = unix.Tgkill(os.Getpid(), c.threads[rand.IntN(len(c.threads))], unix.SIGURG)
		}
		c.mu.Unlock()
	}
}
