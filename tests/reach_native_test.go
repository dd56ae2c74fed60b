package tests

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"
)

// TestReachNative: a program that speaks NATS sends to a queue and a topic of the tree and receives from
// them, by the names in docs/reach.md.
func TestReachNative(t *testing.T) {
	t.Parallel()
	c := natsServers(t, 1, "")
	nc, js := natsClient(t, c.URL())
	tr := mountTree(t, "--attach", "prod="+c.URL())
	file := func(name string) string { return filepath.Join(tr.mnt, "prod", name) }
	if !eventually(patience, func() bool { return os.WriteFile(file("queues/jobs"), []byte("mine"), 0644) == nil }) {
		t.Fatal("the queue is not made")
	}
	ctx := t.Context()
	pulls, err := js.Consumer(ctx, "ipcfs_q_jobs", "p00000")
	check(t, err)
	m, err := pulls.Next()
	check(t, err)
	if string(m.Data()) != "mine" {
		t.Errorf("received %q", m.Data())
	}
	check(t, m.DoubleAck(ctx))
	_, err = js.Publish(ctx, "ipcfs.q.jobs.0", []byte("theirs"))
	check(t, err)
	got, err := tr.run("head", "-c6", file("queues/jobs"))
	if err != nil || got != "theirs" {
		t.Errorf("read %q %v", got, err)
	}
	check(t, os.Mkdir(file("topics/hall"), 0755))
	check(t, os.WriteFile(file("topics/hall/temp"), nil, 0644))
	live, err := nc.SubscribeSync("ipcfs.l.hall.temp")
	check(t, err)
	check(t, nc.Flush())
	_, err = js.Publish(ctx, "ipcfs.t.hall.temp", []byte("20.5"))
	check(t, err)
	check(t, os.WriteFile(file("topics/hall/temp"), []byte("21"), 0644))
	for _, want := range []string{"20.5", "21"} {
		m, err := live.NextMsg(patience)
		for err == nil && len(m.Data) == 0 { // the file was made and closed with nothing written
			m, err = live.NextMsg(patience)
		}
		check(t, err)
		if string(m.Data) != want {
			t.Errorf("heard %q, want %q", m.Data, want)
		}
	}
	last, err := os.ReadFile(filepath.Join(tr.mnt, "ctl/prod/topics/hall/temp/last"))
	if err != nil || string(last) != "21" {
		t.Errorf("the last one is %q %v", last, err)
	}
}

// TestReachNativeGroup: a program that speaks NATS is a member of a group, as docs/reach.md says. When the
// servers have forgotten the group, as somebody deleted it, it goes on behind what it had got.
func TestReachNativeGroup(t *testing.T) {
	t.Parallel()
	c := natsServers(t, 1, "")
	_, js := natsClient(t, c.URL())
	tr := mountTree(t, "--attach", "prod="+c.URL())
	topic := filepath.Join(tr.mnt, "prod/topics/jobs")
	if !eventually(patience, func() bool { return os.WriteFile(topic, []byte("before"), 0644) == nil }) {
		t.Fatal("the topic is not made")
	}
	// A file of package os is polled, which has a message kept for it.
	fd, err := unix.Open(tr.mnt+"/ctl/prod/topics/jobs/group/workers", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	check(t, err)
	defer unix.Close(fd)
	buf := make([]byte, 64)
	reads := func(want string) {
		t.Helper()
		n, err := unix.Read(fd, buf)
		for err == unix.EINTR { // Go interrupts threads
			n, err = unix.Read(fd, buf)
		}
		check(t, err)
		if string(buf[:n]) != want {
			t.Fatalf("read %q, want %q", buf[:n], want)
		}
	}
	ctx := t.Context()
	member, err := js.Consumer(ctx, "ipcfs_t_jobs", "g_workers")
	check(t, err)
	if got := member.CachedInfo().Config; got.AckPolicy != jetstream.AckExplicitPolicy ||
		got.DeliverPolicy != jetstream.DeliverNewPolicy || got.InactiveThreshold != 20*time.Second ||
		got.AckWait != 20*time.Second || got.MaxDeliver != -1 || got.MaxAckPending != -1 || got.MaxWaiting != 4096 {
		t.Errorf("the consumer is %+v", got)
	}
	for _, text := range []string{"one", "two", "three"} {
		check(t, os.WriteFile(topic, []byte(text), 0))
	}
	m, err := member.Next()
	check(t, err)
	if string(m.Data()) != "one" {
		t.Errorf("received %q", m.Data())
	}
	check(t, m.DoubleAck(ctx))
	reads("two")
	check(t, js.DeleteConsumer(ctx, "ipcfs_t_jobs", "g_workers"))
	_, err = js.Publish(ctx, "ipcfs.t.jobs", []byte("four"))
	check(t, err)
	reads("three")
	reads("four")
}

// TestReachCommand: nats(1), the command of NATS itself, sends to a queue and a topic of the tree and
// receives from them, as docs/reach.md says.
func TestReachCommand(t *testing.T) {
	program, err := exec.LookPath("nats")
	if err != nil {
		t.Skip("there is no nats: go install github.com/nats-io/natscli/nats@v0.5.0")
	}
	t.Parallel()
	c := natsServers(t, 1, "")
	tr := mountTree(t, "--attach", "prod="+c.URL())
	queue, topic := tr.mnt+"/prod/queues/jobs", tr.mnt+"/prod/topics/temp"
	if !eventually(patience, func() bool { return os.WriteFile(queue, []byte("mine"), 0644) == nil }) {
		t.Fatal("the queue is not made")
	}
	nats := func(args ...string) *exec.Cmd {
		cmd := tr.command(program, append([]string{"--server", c.URL()}, args...)...)
		cmd.Env = append(cmd.Env, "HOME="+tr.work, "XDG_CONFIG_HOME="+tr.work)
		return cmd
	}
	got, err := nats("consumer", "next", "ipcfs_q_jobs", "p00000", "--raw").CombinedOutput()
	if strings.TrimSpace(string(got)) != "mine" {
		t.Errorf("it receives %q %v", got, err)
	}
	status, err := os.ReadFile(tr.mnt + "/ctl/prod/queues/jobs/status")
	for _, line := range []string{"\nmessages=0\n", "\nleases=0\n"} {
		if err != nil || !strings.Contains(string(status), line) {
			t.Errorf("it has not acknowledged: %s %v", status, err)
		}
	}
	if out, err := nats("pub", "--jetstream", "ipcfs.q.jobs.0", "theirs").CombinedOutput(); err != nil {
		t.Errorf("it does not send: %s %v", out, err)
	}
	if got, err := tr.run("head", "-c6", queue); err != nil || got != "theirs" {
		t.Errorf("read %q %v", got, err)
	}
	check(t, os.WriteFile(topic, nil, 0644))
	if out, err := nats("pub", "--jetstream", "ipcfs.t.temp", "20.5").CombinedOutput(); err != nil {
		t.Errorf("it does not publish: %s %v", out, err)
	}
	last, err := os.ReadFile(tr.mnt + "/ctl/prod/topics/temp/last")
	if err != nil || string(last) != "20.5" {
		t.Errorf("the last one is %q %v", last, err)
	}
	hears := nats("sub", "ipcfs.l.temp", "--raw", "--count=1")
	out, err := hears.StdoutPipe()
	check(t, err)
	check(t, hears.Start())
	defer func() { _ = hears.Process.Kill(); _ = hears.Wait() }()
	heard := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		heard <- strings.TrimSpace(line)
	}()
	for { // when it listens it does not tell
		check(t, os.WriteFile(topic, []byte("21"), 0))
		select {
		case line := <-heard:
			if line != "21" {
				t.Errorf("it heard %q", line)
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}
