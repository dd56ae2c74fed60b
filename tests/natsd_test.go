package tests

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/tests/ipctool"
	"github.com/ipcfs/ipcfs/tests/natsd"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"
)

// natsdCommand gives a script NATS servers of its own, each a process:
//
//	natsd start [N [FILE]]           N servers, FILE is more of their configuration; $NATS is the URL of all
//	natsd kill|stop|continue|restart N    SIGKILL, SIGSTOP, SIGCONT
//	natsd link N                     a link to one of them; $LINK is the HOST:PORT where it begins
//	natsd cut|freeze|mend            the link refuses connections; lets nothing through; is whole again
//	natsd path                       nats-server is in PATH from now on
func natsdCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: natsd WHAT [N [FILE]]")
	}
	n, file := 1, ""
	if len(args) > 1 {
		var err error
		n, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	if len(args) > 2 {
		file = ts.ReadFile(args[2])
	}
	have := ts.Value(natsKey{}).(*scriptNATS)
	switch args[0] {
	case "start":
		c, err := natsd.Start(ts.MkAbs("nats"), n, file)
		ts.Check(err)
		ts.Defer(func() { ts.Check(c.Close()) })
		have.servers = c
		ts.Setenv("NATS", c.URL())
	case "link":
		var err error
		have.link, err = have.servers.Link(n)
		ts.Check(err)
		ts.Setenv("LINK", have.link.Addr())
	case "path":
		path, err := natsd.Program()
		ts.Check(err)
		ts.Setenv("PATH", filepath.Dir(path)+":"+ts.Getenv("PATH"))
	case "kill":
		ts.Check(have.servers.Kill(n))
	case "stop":
		ts.Check(have.servers.Stop(n))
	case "continue":
		ts.Check(have.servers.Continue(n))
	case "restart":
		ts.Check(have.servers.Restart(n))
	case "cut":
		have.link.Cut()
	case "freeze":
		have.link.Freeze()
	case "mend":
		have.link.Mend()
	default:
		ts.Fatalf("natsd %s: no such command", args[0])
	}
}

type natsKey struct{}

// scriptNATS is what a script has of them.
type scriptNATS struct {
	servers *natsd.Servers
	link    *natsd.Link
}

// haveServers reports whether nats-server can be run. Where programs are tested that were built elsewhere, or
// as somebody else, Go's cache may be out of reach.
func haveServers() bool {
	if !*fusermount && *program == "" {
		return true
	}
	path, err := natsd.Program()
	return err == nil && exec.Command(path, "--version").Run() == nil
}

// natsServers starts servers for a Go test.
func natsServers(t *testing.T, n int, extra string) *natsd.Servers {
	t.Helper()
	if !haveServers() {
		t.Skip("no nats-server")
	}
	return natsd.For(t, n, extra)
}

// natsClient is a client of a server or a link, at HOST:PORT or a URL.
func natsClient(t *testing.T, at string) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(at, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2))
	check(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	check(t, err)
	return nc, js
}

// TestReachLink: a link carries, and when it is cut or frozen it does not, until it is mended.
func TestReachLink(t *testing.T) {
	t.Parallel()
	c := natsServers(t, 1, "")
	link, err := c.Link(1)
	check(t, err)
	greets := func() error {
		conn, err := net.DialTimeout("tcp", link.Addr(), ipctool.Patience())
		if err != nil {
			return err
		}
		defer conn.Close()
		check(t, conn.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err == nil && !strings.HasPrefix(line, "INFO ") {
			err = fmt.Errorf("it said %q", line)
		}
		return err
	}
	check(t, greets())
	link.Cut()
	if greets() == nil {
		t.Error("a link that is cut carries")
	}
	link.Mend()
	check(t, greets())
	link.Freeze()
	if err := greets(); !os.IsTimeout(err) {
		t.Errorf("a link that is frozen: %v", err)
	}
	link.Mend()
	check(t, greets())
}

// TestReachServers: what three servers keep is there when one of them was killed, and when one was stopped.
func TestReachServers(t *testing.T) {
	soak(t)
	t.Parallel()
	c := natsServers(t, 3, "")
	_, js := natsClient(t, c.URL())
	ctx := t.Context()
	s, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: 3})
	check(t, err)
	leader := func() int {
		info, err := s.Info(ctx)
		check(t, err)
		n, err := strconv.Atoi(strings.TrimPrefix(info.Cluster.Leader, "n"))
		check(t, err)
		return n
	}
	var sent uint64
	publish := func() {
		if !eventually(patience, func() bool {
			_, err := js.Publish(ctx, "s", nil, jetstream.WithMsgID(fmt.Sprint(sent)))
			return err == nil
		}) {
			t.Fatal("nothing can be published")
		}
		sent++
	}
	publish()
	first := leader()
	check(t, c.Kill(first))
	publish()
	check(t, c.Restart(first))
	second := leader()
	check(t, c.Stop(second))
	publish()
	check(t, c.Continue(second))
	check(t, c.Ready())
	info, err := s.Info(ctx)
	check(t, err)
	if info.State.Msgs != sent {
		t.Errorf("%d messages are kept, %d were sent", info.State.Msgs, sent)
	}
}
