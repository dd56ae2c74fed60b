package tests

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestQueueBlockedEnd: a blocked reader or writer vanishes at once at each
// signal that ends it, and takes or leaves no message.
func TestQueueBlockedEnd(t *testing.T) {
	t.Parallel()
	tr := mountTree(t, "--maxmsg", "2")
	if err := os.WriteFile(tr.mnt+"/queues/empty", nil, 0644); err != nil {
		t.Fatal(err)
	}
	send(t, tr, "full", "1", "2")
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		for _, op := range []string{"head -n1 $MNT/queues/empty", "echo x >$MNT/queues/full"} {
			cmd := tr.command("sh", "-c", "exec 2>/dev/null; "+op+"; exit 9")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			check(t, tr.parked(1))
			// To the whole group, as a terminal does at Ctrl-C.
			check(t, syscall.Kill(-cmd.Process.Pid, sig))
			if !gone(cmd.Process.Pid, patience) {
				t.Fatalf("%v did not end %s", sig, op)
			}
			if err := cmd.Wait(); cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != sig {
				t.Errorf("%v: %s: %v", sig, op, err)
			}
			check(t, tr.parked(0))
		}
	}
	// A message that is sent now must not go to one of the dead, and no message of theirs may come.
	send(t, tr, "empty", "alive")
	for name, want := range map[string]string{"empty": "alive", "full": "12"} {
		out, err := tr.command("dd", "iflag=nonblock", "if="+tr.mnt+"/queues/"+name, "status=none").Output()
		if string(out) != want || !strings.Contains(fmt.Sprint(err), "exit status 1") {
			t.Errorf("%s holds %q, want %q (%v)", name, out, want, err)
		}
	}
}

// TestQueueSignalsRaceArrivals: readers and writers that signals interrupt
// all the time lose no message and get none twice.
func TestQueueSignalsRaceArrivals(t *testing.T) {
	readers, writers, each := 6, 2, often(1000, 3000)
	tr := mountTree(t, "--maxmsg", "3", "--msgsize", "32")
	crowd := newCrowd(t, tr, "race")
	for range readers {
		crowd.start("consume", tr.mnt+"/queues/race")
	}
	check(t, tr.parked(readers))
	producers := make([]*exec.Cmd, writers)
	for i := range producers {
		producers[i] = crowd.start("produce", tr.mnt+"/queues/race", fmt.Sprint(i*each), fmt.Sprint(each))
	}
	crowd.disturb(syscall.SIGUSR1)
	for _, p := range producers {
		if !gone(p.Process.Pid, lifetime) {
			t.Fatal("a writer does not end")
		}
	}
	for range readers {
		send(t, tr, "race", "end")
	}
	got := crowd.join()
	for _, p := range producers {
		if !p.ProcessState.Success() {
			t.Errorf("a writer failed: %v", p.ProcessState)
		}
	}
	got.expect(t, writers*each, 0)
	if got.interrupted == 0 {
		t.Error("nothing was interrupted: the test tested nothing")
	}
	t.Logf("%d reads and writes interrupted", got.interrupted)
}

// TestQueueKillsRaceArrivals: readers that are killed while messages arrive take at most the one message each
// that the kernel had already given them, and no message comes twice.
func TestQueueKillsRaceArrivals(t *testing.T) {
	total, enough := often(8000, 20000), often(40, 100)
	tr := mountTree(t, "--maxmsg", "3", "--msgsize", "32")
	crowd := newCrowd(t, tr, "race")
	crowd.start("consume", tr.mnt+"/queues/race")
	producer := crowd.start("produce", tr.mnt+"/queues/race", "0", fmt.Sprint(total))
	kills := 0
	for ; kills < enough && !gone(producer.Process.Pid, 0); kills++ {
		victim := crowd.start("consume", tr.mnt+"/queues/race")
		crowd.line(producer.Process.Pid)
		check(t, victim.Process.Kill())
		if !gone(victim.Process.Pid, patience) {
			t.Fatal("SIGKILL did not end a reader")
		}
	}
	check(t, producer.Wait())
	send(t, tr, "race", "end")
	crowd.join().expect(t, total, kills)
	if kills < 5 && !slow() || kills == 0 {
		t.Errorf("only %d readers were killed while messages arrived", kills)
	}
	t.Logf("%d readers killed", kills)
}

// A crowd is processes of ipctool at work on one queue, and what the consumers among them received.
type crowd struct {
	t    *testing.T
	tree *tree
	cmds []*exec.Cmd
	r, w *os.File // a pipe on which they all tell, in whole lines, what they received

	mu       sync.Mutex
	lines    []string
	threads  [][2]int      // process and thread of those who are ready for signals
	received chan struct{} // one for each line, or closed; may be full
	read     chan struct{}
	calm     chan struct{}
	storm    sync.WaitGroup
}

func newCrowd(t *testing.T, tr *tree, queue string) *crowd {
	check(t, os.WriteFile(tr.mnt+"/queues/"+queue, nil, 0644))
	r, w, err := os.Pipe()
	check(t, err)
	c := &crowd{
		t: t, tree: tr, r: r, w: w, received: make(chan struct{}, 1), read: make(chan struct{}),
		calm: make(chan struct{}),
	}
	go func() {
		defer close(c.read)
		defer close(c.received)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			var thread [2]int
			c.mu.Lock()
			if _, err := fmt.Sscanf(lines.Text(), "TID %d %d", &thread[0], &thread[1]); err == nil {
				c.threads = append(c.threads, thread)
			} else {
				c.lines = append(c.lines, lines.Text())
			}
			c.mu.Unlock()
			select {
			case c.received <- struct{}{}:
			default:
			}
		}
	}()
	return c
}

// start starts one more process.
func (c *crowd) start(args ...string) *exec.Cmd {
	cmd := c.tree.command("ipctool", args...)
	cmd.Stdout, cmd.Stderr = c.w, os.Stderr
	check(c.t, cmd.Start())
	c.cmds = append(c.cmds, cmd)
	return cmd
}

// line waits until one more line was received, or process pid has ended.
func (c *crowd) line(pid int) {
	for {
		select {
		case <-c.received:
			return
		case <-time.After(10 * time.Millisecond):
			if gone(pid, 0) {
				return
			}
		}
	}
}

// disturb sends the signal again and again until join, to all that are ready for
// it, each time to the thread that reads or writes.
func (c *crowd) disturb(sig syscall.Signal) {
	c.storm.Go(func() {
		tick := time.NewTicker(100 * time.Microsecond)
		defer tick.Stop()
		for {
			select {
			case <-c.calm:
				return
			case <-tick.C:
			}
			c.mu.Lock()
			for _, id := range c.threads {
				// Nobody waits for them before join, so that the number of one
				// that has ended is not another's.
				_ = unix.Tgkill(id[0], id[1], sig)
			}
			c.mu.Unlock()
		}
	})
}

// join waits for the end of all processes and counts what they received.
func (c *crowd) join() received {
	close(c.calm)
	c.storm.Wait()
	for _, cmd := range c.cmds {
		if cmd.ProcessState == nil {
			// Killed ones fail. Those that fail for another reason have received too little, which shows.
			_ = cmd.Wait()
		}
	}
	check(c.t, c.w.Close())
	<-c.read
	check(c.t, c.r.Close())
	got := received{count: map[string]int{}}
	for _, line := range c.lines {
		var n int
		if _, err := fmt.Sscanf(line, "EINTR %d", &n); err == nil {
			got.interrupted += n
			continue
		}
		got.count[line]++
	}
	return got
}

// received is how often each message was received, and how many reads were interrupted.
type received struct {
	count       map[string]int
	interrupted int
}

// expect checks that the messages race:0 to race:total-1 were received
// once each, but for at most lost of them.
func (r received) expect(t *testing.T, total, lost int) {
	t.Helper()
	missing := 0
	for i := range total {
		msg := fmt.Sprintf("race:%d", i)
		switch n := r.count[msg]; {
		case n == 0:
			missing++
		case n > 1:
			t.Errorf("%s came %d times", msg, n)
		}
		delete(r.count, msg)
	}
	if missing > lost {
		t.Errorf("%d of %d messages are lost, at most %d may be", missing, total, lost)
	}
	for msg := range r.count {
		t.Errorf("%q came, and nobody sent it", msg)
	}
}

// send sends messages through the tree, one write each.
func send(t *testing.T, tr *tree, queue string, msgs ...string) {
	t.Helper()
	f, err := os.OpenFile(tr.mnt+"/queues/"+queue, os.O_WRONLY|os.O_CREATE, 0644)
	check(t, err)
	for _, msg := range msgs {
		_, err := f.Write([]byte(msg))
		check(t, err)
	}
	check(t, f.Close())
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
