package tests

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ipcfs/ipcfs/tests/natsd"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A broker is `ipcfs broker`, which runs.
type broker struct {
	cmd *exec.Cmd
	log string
}

// startBroker starts one, and returns when it has said how to attach to it.
func startBroker(t *testing.T, dir string, args ...string) *broker {
	t.Helper()
	if !haveServers() {
		t.Skip("no nats-server")
	}
	server, err := natsd.Program()
	check(t, err)
	b := &broker{exec.Command("ipcfs", append([]string{"broker", "--store", dir}, args...)...), dir + ".log"}
	b.cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(server)+":"+os.Getenv("PATH"))
	log, err := os.OpenFile(b.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0644)
	check(t, err)
	defer log.Close()
	b.cmd.Stdout, b.cmd.Stderr = log, log
	check(t, b.cmd.Start())
	t.Cleanup(b.kill)
	if !eventually(patience, func() bool { return strings.Contains(b.said(), " MOUNTPOINT\n") }) {
		t.Fatalf("%v: %s", b.cmd, b.said())
	}
	return b
}

func (b *broker) said() string {
	text, _ := os.ReadFile(b.log)
	return string(text)
}

// kill ends it with SIGKILL, if it runs.
func (b *broker) kill() {
	if b.cmd.ProcessState == nil {
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait() // it says how it ended
	}
}

// token is the secret of a broker whose store is dir.
func brokerToken(t *testing.T, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "token")
	st, err := os.Stat(file)
	check(t, err)
	if st.Mode().Perm() != 0600 {
		t.Errorf("the mode of the token is %v", st.Mode())
	}
	token, err := os.ReadFile(file)
	check(t, err)
	return strings.TrimSpace(string(token))
}

// TestReachBroker: `ipcfs broker` is a server that asks for its token, and what it keeps survives that it is
// killed.
func TestReachBroker(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	at := net.JoinHostPort(natsd.Loopback().String(), "4222")
	b := startBroker(t, dir, "--listen", at)
	want := fmt.Sprintf("ipcfs --attach prod=nats://%s,token=%s/token MOUNTPOINT\n", at, dir)
	if !strings.HasPrefix(b.said(), want) {
		t.Errorf("it says %q, want %q", b.said(), want)
	}
	token := brokerToken(t, dir)
	connect := func(token string) (*nats.Conn, error) {
		var nc *nats.Conn
		var err error
		eventually(patience, func() bool {
			nc, err = nats.Connect(at, nats.Token(token))
			return !errors.Is(err, nats.ErrNoServers)
		})
		return nc, err
	}
	publish := func(subject string) uint64 {
		nc, err := connect(token)
		check(t, err)
		defer nc.Close()
		js, err := jetstream.New(nc)
		check(t, err)
		_, err = js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}})
		check(t, err)
		ack, err := js.Publish(t.Context(), subject, nil)
		check(t, err)
		return ack.Sequence
	}
	publish("s")
	if _, err := connect("other"); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("with another token: %v", err)
	}
	second := exec.Command("ipcfs", "broker", "--store", dir, "--listen", at)
	second.Env = b.cmd.Env
	if said, err := second.CombinedOutput(); err == nil || !strings.Contains(string(said), "another broker uses it") {
		t.Errorf("a second broker: %v %s", err, said)
	}
	b.kill()
	startBroker(t, dir, "--listen", at)
	if brokerToken(t, dir) != token {
		t.Error("another token after a restart")
	}
	if n := publish("s"); n != 2 {
		t.Errorf("the second message is number %d", n)
	}
}

// TestReachBrokerNeeds: without a server in PATH, or with an old one, it says what installs one.
func TestReachBrokerNeeds(t *testing.T) {
	t.Parallel()
	ipcfs, err := exec.LookPath("ipcfs")
	check(t, err)
	bin, dir := t.TempDir(), filepath.Join(t.TempDir(), "store")
	needs := func(why string) {
		t.Helper()
		cmd := exec.Command(ipcfs, "broker", "--store", dir)
		cmd.Env = append(os.Environ(), "PATH="+bin)
		said, err := cmd.CombinedOutput()
		for _, want := range []string{why, "go install github.com/nats-io/nats-server/v2@v2.15.2\n"} {
			if err == nil || !strings.Contains(string(said), want) {
				t.Errorf("it says %q (%v), want %q", said, err, want)
			}
		}
		if _, err := os.Stat(dir); err == nil {
			t.Error("it has made its directory")
		}
	}
	needs("there is no nats-server in PATH")
	writeProgram(t, bin+"/nats-server", []byte("#!/bin/sh\necho nats-server: v2.9.10\n"))
	needs("v2.9.10, and too old")
}

// TestReachBrokers: three brokers with the same token are one, and keep what they keep when one is killed.
func TestReachBrokers(t *testing.T) {
	soak(t)
	t.Parallel()
	ip := natsd.Loopback().To4()
	var hosts, dirs []string
	for i := range 3 {
		hosts = append(hosts, net.IPv4(ip[0], ip[1], ip[2], byte(i+1)).String())
		dirs = append(dirs, filepath.Join(t.TempDir(), "store"))
	}
	var list []*broker
	for i, dir := range dirs {
		if i > 0 {
			check(t, os.Mkdir(dir, 0700))
			check(t, os.WriteFile(dir+"/token", []byte(brokerToken(t, dirs[0])+"\n"), 0600))
		}
		list = append(list, startBroker(t, dir, "--listen", hosts[i]+":4222", "--peers", strings.Join(hosts, ",")))
	}
	want := "nats://" + strings.Join(hosts, ":4222,nats://") + ":4222,token="
	if !strings.Contains(list[2].said(), want) {
		t.Errorf("it says %q, want %q", list[2].said(), want)
	}
	nc, err := nats.Connect("nats://"+strings.Join(hosts, ",nats://"), nats.Token(brokerToken(t, dirs[2])),
		nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true))
	check(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	check(t, err)
	if !eventually(patience, func() bool {
		_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: 3})
		return err == nil
	}) {
		t.Fatal(err)
	}
	list[0].kill()
	if !eventually(patience, func() bool { _, err = js.Publish(t.Context(), "s", nil); return err == nil }) {
		t.Fatal(err)
	}
}
