package tests

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/tests/natsd"
	"golang.org/x/sys/unix"
)

const (
	groupTopic = "/prod/topics/counted"
	groupFile  = "/ctl/prod/topics/counted/group/g"
)

// groupTrees are two trees with a topic that servers keep, which holds all that the test publishes.
func groupTrees(t *testing.T, url, options string) *tree {
	t.Helper()
	tr := bareTree(t)
	attach := "prod=" + url + ",redeliver=10s" + options
	tr.mounted(t, "--attach", attach)
	tr.mountOther(t, "--attach", attach)
	if !eventually(patience, func() bool { return isUp(tr.mnt) && isUp(tr.other) }) {
		t.Fatal("the trees are not connected")
	}
	check(t, os.WriteFile(tr.mnt+"/ctl/new", []byte("prod/topics/counted depth=20000\n"), 0))
	return tr
}

// TestReachGroup has writers and the members of a group in two trees move messages through a topic that a
// server keeps, while calls are interrupted at random and members leave and come back, some with a message
// that poll(2) has kept for them: none is lost, and none comes twice. Neither if the server is killed
// meanwhile, again and again.
func TestReachGroup(t *testing.T) {
	t.Run("calm", func(t *testing.T) { countGroup(t, 1, 0, 0) })
	t.Run("killed", func(t *testing.T) { countGroup(t, 1, 3, time.Second) })
}

// TestReachGroupOfThree is TestReachGroup on three servers, of which the one is killed that leads the group,
// again and again.
func TestReachGroupOfThree(t *testing.T) {
	if !*long {
		t.Skip("it takes a minute: -long")
	}
	countGroup(t, 3, 4, 8*time.Second)
}

// countGroup has servers killed so often, with a period between two.
func countGroup(t *testing.T, servers, kills int, period time.Duration) {
	t.Parallel()
	messages, options := 5000, ""
	if *counted > 0 {
		messages = *counted
	}
	nats := natsServers(t, servers, "")
	if servers > 1 {
		options = fmt.Sprint(",replicas=", servers)
	}
	tr := groupTrees(t, nats.URL(), options)
	c := &count{
		t: t, tree: tr, to: groupTopic, each: messages / pairs, seen: map[string][]receipt{}, over: make(chan struct{}),
	}
	began := time.Now()
	if servers > 1 { // as many as there is time for until the last is killed
		tr.dog.allow(2 * time.Minute)
		c.each, c.until = math.MaxInt, began.Add(time.Duration(kills)*period)
		c.ahead = 1000
	}
	var writers, members, others sync.WaitGroup
	left := make([]int, pairs/2)
	var in sync.WaitGroup
	for i := range left {
		in.Add(1)
		members.Go(func() { left[i] = c.member([]string{tr.mnt, tr.other}[i%2], in.Done) })
	}
	in.Wait()
	for i := range pairs {
		writers.Go(func() { c.write([]string{tr.mnt, tr.other}[i%2], i) })
	}
	others.Go(c.interrupt)
	killed := 0
	others.Go(func() {
		for range kills {
			select {
			case <-c.over:
				return
			case <-time.After(period):
			}
			one := 1
			if servers > 1 {
				one = c.leader(nats)
			}
			killed++
			check(c.t, nats.Kill(one))
			check(c.t, nats.Restart(one))
			check(c.t, nats.Ready())
		}
	})
	writers.Wait()
	if !eventually(time.Minute, func() bool { return c.distinct.Load() >= c.sent.Load() || t.Failed() }) {
		t.Errorf("lost: %d of %d", c.sent.Load()-c.distinct.Load(), c.sent.Load())
	}
	close(c.over)
	others.Wait()
	for range left {
		if !eventually(patience, func() bool { return os.WriteFile(tr.mnt+groupTopic, []byte("quit"), 0) == nil }) {
			t.Error("the members cannot be ended")
		}
	}
	members.Wait()
	c.holdsOnly(64 * 24)
	doubled, reopened := c.doubled(began), 0
	for _, n := range left {
		reopened += n
	}
	t.Logf("%d messages in %v, %d servers killed, %d calls interrupted, %d that failed, members left %d times: "+
		"lost %d, doubled %d", c.sent.Load(), time.Since(began).Round(time.Millisecond), killed, c.interrupted.Load(),
		c.failed.Load(), reopened, int(c.sent.Load())-len(c.seen), doubled)
	if doubled > 0 {
		t.Errorf("%d messages came twice", doubled)
	}
}

// member reads as a member of the group until it is told to quit, and returns how often it left the group and
// came back. in is called when it is in it.
func (c *count) member(mnt string, in func()) (left int) {
	fd := c.open(mnt+groupFile, unix.O_RDONLY)
	in()
	buf := make([]byte, 64)
	for stays := rand.IntN(200); ; stays-- {
		if stays == 0 {
			if rand.IntN(2) == 0 {
				_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10)
			}
			c.spare() // an open(2) takes some trips, and is not to begin anew all the time
			_ = unix.Close(fd)
			left++
			fd = c.open(mnt+groupFile, unix.O_RDONLY)
			stays = 1 + rand.IntN(200)
		}
		n, err := unix.Read(fd, buf)
		switch {
		case err == nil && string(buf[:n]) == "quit":
			_ = unix.Close(fd)
			return left
		case err == nil && n > 0:
			c.received(mnt, string(buf[:n]))
		case err == nil || !c.goesOn(err):
			why, _ := os.ReadFile(mnt + "/ctl/err")
			c.t.Errorf("read: %d, %v\n%s", n, err, why)
			return left
		}
	}
}

// leader is the server that leads the group, counted from 1.
func (c *count) leader(nats *natsd.Servers) (n int) {
	nc, js := natsClient(c.t, nats.URL())
	defer nc.Close()
	if !eventually(patience, func() bool {
		ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
		defer cancel()
		group, err := js.Consumer(ctx, "ipcfs_t_counted", "g_g")
		if err != nil || group.CachedInfo().Cluster == nil {
			return false
		}
		_, err = fmt.Sscanf(group.CachedInfo().Cluster.Leader, "n%d", &n)
		return err == nil
	}) {
		c.t.Error("nobody leads the group")
		n = 1
	}
	return n
}

// spare has the calls of this thread not interrupted any more.
func (c *count) spare() {
	c.mu.Lock()
	defer c.mu.Unlock()
	tid := unix.Gettid()
	c.threads = slices.DeleteFunc(c.threads, func(n int) bool { return n == tid })
}

// TestReachGroupWorker kills the worker of a tree while members wait there: the next one goes on, and they
// get what comes.
func TestReachGroupWorker(t *testing.T) {
	needsResend(t)
	t.Parallel()
	nats := natsServers(t, 1, "")
	tr := bareTree(t)
	attach := "prod=" + nats.URL()
	tr.mounted(t, "--keeper=on", "--attach", attach)
	tr.mountOther(t, "--attach", attach)
	sh := tr.command("bash", "-ec", `
		until touch $MNT/prod/topics/t; do :; done 2> /dev/null
		group=ctl/prod/topics/t/group/g
		exec 3< $MNT/$group 4< ${MNT}2/$group
		read -r -u 3 x & one=$!
		until grep -qx parked_readers=1 $MNT/ctl/prod/topics/t/status; do :; done
		kill -9 $(cat $MNT/ctl/pid)
		until grep -qx parked_readers=1 $MNT/ctl/prod/topics/t/status; do :; done
		echo 1 > ${MNT}2/prod/topics/t
		wait $one
		for i in 2 3 4 5; do echo $i > ${MNT}2/prod/topics/t; done
		for fd in 3 4 3 4; do read -r -u $fd x; echo $x; done
		grep -E '^(readers|groups)=' $MNT/ctl/prod/topics/t/status`)
	out, err := sh.CombinedOutput()
	if want := "2\n3\n4\n5\ngroups=g\nreaders=1\n"; err != nil || string(out) != want {
		t.Errorf("%v: %s, want %s\n%s", err, out, want, tr.logs())
	}
}

// TestReachGroupKilled has members of a group in two trees killed, and others take their places: a member
// takes along what it was just reading, at most one message, and all others come once.
func TestReachGroupKilled(t *testing.T) {
	t.Parallel()
	nats := natsServers(t, 1, "")
	tr := groupTrees(t, nats.URL(), "")
	log := filepath.Join(tr.work, "log")
	check(t, os.WriteFile(log, nil, 0644))
	begin := func(i int) *exec.Cmd {
		cmd := tr.command("sh", "-c", `exec cat "$0" >> "$1"`, []string{tr.mnt, tr.other}[i%2]+groupFile, log)
		check(t, cmd.Start())
		return cmd
	}
	var list []*exec.Cmd
	for i := range 4 {
		list = append(list, begin(i))
	}
	for _, mnt := range []string{tr.mnt, tr.other} {
		if !eventually(patience, func() bool {
			status, _ := os.ReadFile(mnt + "/ctl/prod/topics/counted/status")
			return strings.Contains(string(status), "\nreaders=2\n")
		}) {
			t.Fatal("the members do not come")
		}
	}
	const messages = 5000
	written := make(chan error, 2)
	for i := range 2 {
		sh := tr.command("sh", "-ec", `n=0; while [ $n -lt $1 ]; do echo $2-$n; n=$((n+1)); done > $0`,
			[]string{tr.mnt, tr.other}[i]+groupTopic, fmt.Sprint(messages/2), fmt.Sprint(i))
		check(t, sh.Start())
		go func() { written <- sh.Wait() }()
	}
	kills := 0
	for writers := 2; writers > 0; {
		select {
		case err := <-written:
			check(t, err)
			writers--
		case <-time.After(time.Duration(10+rand.IntN(40)) * time.Millisecond):
			i := rand.IntN(len(list))
			check(t, list[i].Process.Kill())
			_ = list[i].Wait()
			list[i] = begin(i)
			kills++
		}
	}
	came := func() (n, distinct int) {
		text, err := os.ReadFile(log)
		check(t, err)
		seen := map[string]bool{}
		lines := strings.Fields(string(text))
		for _, line := range lines {
			seen[line] = true
		}
		return len(lines), len(seen)
	}
	eventually(patience, func() bool { _, n := came(); return n == messages })
	all, distinct := came()
	for _, cmd := range list {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Logf("%d messages, %d members killed: lost %d, doubled %d", messages, kills, messages-distinct, all-distinct)
	if messages-distinct > kills || all > distinct {
		t.Error("it lost more than one for each that was killed, or doubled some")
	}
}
