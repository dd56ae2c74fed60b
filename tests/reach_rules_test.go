package tests

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// reachTree is a tree with one server attached, and a client of the server.
func reachTree(t *testing.T) (*tree, jetstream.JetStream) {
	c := natsServers(t, 1, "")
	_, js := natsClient(t, c.URL())
	tr := mountTree(t, "--attach", "prod="+c.URL())
	if !eventually(patience, func() bool { return isUp(tr.mnt) }) {
		t.Fatal("there is no connection")
	}
	return tr, js
}

// consumer is what the server knows of a priority of a queue.
func consumer(t *testing.T, js jetstream.JetStream, queue, name string) *jetstream.ConsumerInfo {
	t.Helper()
	c, err := js.Consumer(t.Context(), "ipcfs_q_"+queue, name)
	check(t, err)
	info, err := c.Info(t.Context())
	check(t, err)
	return info
}

// TestReachRules: a queue is what ctl/new was asked for, whatever the attachment says, and what it cannot be
// is refused.
func TestReachRules(t *testing.T) {
	t.Parallel()
	tr, js := reachTree(t)
	ctl := tr.mnt + "/ctl/prod/queues/q"
	order := func(line string) error { return os.WriteFile(tr.mnt+"/ctl/new", []byte(line+"\n"), 0) }
	check(t, order("prod/queues/q maxmsg=5 msgsize=64 priorities=2 replicas=1 redeliver=3s"))
	check(t, os.WriteFile(ctl+"/prio/7", []byte("seven"), 0))
	for _, name := range []string{"p00000", "p00007"} {
		if wait := consumer(t, js, "q", name).Config.AckWait; wait != 3*time.Second {
			t.Errorf("%s: messages are redelivered after %v", name, wait)
		}
	}
	status, err := os.ReadFile(ctl + "/status")
	check(t, err)
	for _, line := range []string{"maxmsg=5", "msgsize=64", "priorities=2", "replicas=1", "redeliver=3s"} {
		if !strings.Contains(string(status), "\n"+line+"\n") {
			t.Errorf("status lacks %s:\n%s", line, status)
		}
	}
	refused := func(err error, why string) {
		t.Helper()
		text, _ := os.ReadFile(tr.mnt + "/ctl/err")
		if err == nil || !strings.Contains(err.Error(), "invalid argument") || !strings.Contains(string(text), why) {
			t.Errorf("%v; ctl/err: %s, want %s", err, text, why)
		}
	}
	refused(os.WriteFile(ctl+"/prio/8", []byte("eight"), 0), "2 different priorities of the queue are in use")
	refused(order("prod/queues/r priorities=0"), "priorities=0: it is a number from 1 to 64")
	refused(order("prod/queues/r replicas=6"), "replicas=6: it is a number from 1 to 5")
	refused(order("prod/queues/r replicas=3"), "the servers say: ")
	refused(order("prod/queues/r redeliver=20"), "redeliver=20: it is a time from 1s to 1h")
	refused(order("queues/r redeliver=20s"), "has no option redeliver; it takes mode, maxmsg, msgsize")
}

// TestReachWriters: a file that is open only to be written takes no message, though its program polls it, as
// Go does with each file that it opens, and asks for none.
func TestReachWriters(t *testing.T) {
	t.Parallel()
	tr, js := reachTree(t)
	untouched := func(face string) {
		t.Helper()
		if c := consumer(t, js, "q", "p00000"); c.NumWaiting+c.NumAckPending > 0 || c.Delivered.Consumer > 0 {
			t.Errorf("%s: %d requests wait, %d messages were given", face, c.NumWaiting, c.Delivered.Consumer)
		}
	}
	data, ctl := tr.mnt+"/prod/queues/q", tr.mnt+"/ctl/prod/queues/q/"
	f, err := os.OpenFile(data, os.O_WRONLY|os.O_CREATE, 0644)
	check(t, err)
	defer f.Close()
	_, err = f.WriteString("a line\n")
	check(t, err)
	untouched("create")
	for _, face := range []string{data, ctl + "lines", ctl + "whole", ctl + "prio/0"} {
		check(t, os.WriteFile(face, []byte("a line\n"), 0))
		untouched(face)
	}
	check(t, os.WriteFile(ctl+"records", []byte("len=2\nhi\n"), 0))
	untouched("records")
	if os.WriteFile(ctl+"lease", []byte("ack\n"), 0) == nil {
		t.Error("a message was acknowledged that nobody had")
	}
	untouched("lease")
}
