package tests

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Conversations of those who send (W) and receive (R, T) messages; P
// comes afterwards, for those who still wait.
var (
	talkQueue = conversation{
		name: "queues/jobs maxmsg=3 msgsize=128",
		steps: []string{
			"W send", "W write 1", "R receive", "R read", "R read &", "T receive", "T read &",
			"W write 2; R done", "W write 3; T done",
			"W write a", "W write b", "W write c", "W write d &",
		},
		after: []string{
			"P send", "P nonblock", "P write p", "P write q", "R done", "T done",
			"Q receive", "Q nonblock", "Q read", "W done", "Q read", "Q read", "Q read", "Q read",
		},
	}
	talkLease = conversation{
		name: "queues/jobs maxmsg=10 msgsize=128",
		steps: []string{
			"W send", "W write 1", "W write 2", "W write 3", "R lease", "R read", "R read", "T lease",
			"T read", "T write ack", "T read &",
			"R write ack",
		},
		after: []string{
			"P send", "P write p", "T done", "T nonblock", "T read", "T read", "T close", "R nonblock",
			"R read", "R read", "R close",
			"Q receive", "Q nonblock", "Q read", "Q read", "Q read", "Q read",
		},
	}
	// T is slow, and W has to wait for it.
	talkTopic = conversation{
		name: "topics/jobs slow=block depth=2",
		steps: []string{
			"R receive", "T receive", "W send", "W write 1", "R read", "T read", "R read &",
			"W write 2; R done", "W write 3", "W write 4 &",
		},
		after: []string{
			"T nonblock", "T read", "W done", "P send", "P nonblock", "P write p", "R done", "T read",
			"T read", "T read",
			"R nonblock", "R read", "R read", "R read",
		},
	}
	talkGroup = conversation{
		name: "topics/jobs depth=9",
		steps: []string{
			"R join", "T join", "W send", "W write 1", "R read", "R read &", "T read &",
			"W write 2; R done", "W write 3; T done", "W write 4",
		},
		after: []string{
			"P send", "P write p", "P write q", "P write r", "R done", "T done", "R nonblock", "T nonblock",
			"R read", "T read", "R read", "T read", "R read", "T read",
		},
	}
)

// TestKilledAtEachMessage: a process that sends or receives messages is killed at each of its steps.
// All others see what they see if it closes its file there; if it was killed while it waited, what they
// see if it had not begun to wait. Nothing is lost, nobody else waits for it, and nothing of it stays
// with the daemon. Queues are the same through faces and natively.
func TestKilledAtEachMessage(t *testing.T) {
	t.Parallel()
	native := way{name: "native", words: map[string]string{"send": "mq rdwr jobs", "receive": "mq rdwr jobs"}}
	for _, run := range []struct {
		name  string
		talk  conversation
		other way // who must see the same; the zero way: those who close
	}{
		{"native", talkQueue, native}, {"queue", talkQueue, way{}}, {"lease", talkLease, way{}},
		{"topic", talkTopic, way{}}, {"group", talkGroup, way{}},
	} {
		t.Run(run.name, func(t *testing.T) {
			t.Parallel()
			killEachMessage(t, run.talk, run.other)
		})
	}
}

// killEachMessage plays a conversation once for each of its steps and each of those who talk, kills that one
// there, and compares what the others see with what they see when it closes its file.
func killEachMessage(t *testing.T, talk conversation, other way) {
	tr := mountTree(t)
	object := tr.mnt + "/" + strings.Fields(talk.name)[0]
	faces := way{name: "faces", words: map[string]string{
		"join": "open rdonly mnt/ctl/topics/jobs/group/g", "lease": "open rdwr mnt/ctl/queues/jobs/lease",
		"send": "open wronly " + object, "receive": "open rdonly " + object,
	}}
	c := &cast{t: t, tr: tr, all: map[string]*talking{}}
	play := func(talk conversation, w way, n int, victim string, end func(string)) string {
		check(t, os.WriteFile(tr.mnt+"/ctl/new", []byte(talk.name+"\n"), 0))
		got := c.play(talk, w, n, victim, end)
		check(t, tr.parked(0))
		check(t, os.Remove(object))
		return got
	}
	for n := 1; n <= len(talk.steps); n++ {
		for i, victim := range []string{"W", "R", "T"} {
			if left(n + i) {
				continue
			}
			got := play(talk, faces, n, victim, c.dismiss)
			want, how := "", "natively"
			if other.name != "" {
				want = play(talk, other, n, victim, c.dismiss)
			} else {
				talk, n := unbegun(talk, n, victim)
				want, how = play(talk, faces, n, victim, func(victim string) { c.do(victim, "close") }), "closing"
			}
			if got != want {
				t.Errorf("%s, %s killed after step %d, %s:\n%s\nit is, %s:\n%s",
					talk.name, victim, n, talk.steps[n-1], got, how, want)
			}
		}
	}
	for name := range c.all {
		c.dismiss(name)
	}
	if open, err := tr.status("open"); err != nil || open != "1" {
		t.Errorf("open=%s, of which one is the status file itself (%v)", open, err)
	}
}

// unbegun is a conversation and the number of its first steps to play. If the last of the
// victim's first n steps is still waiting then, it is left out.
func unbegun(talk conversation, n int, victim string) (conversation, int) {
	last := -1
	for i, both := range talk.steps[:n] {
		for s := range strings.SplitSeq(both, "; ") {
			switch {
			case !strings.HasPrefix(s, victim+" "):
			case strings.HasSuffix(s, "&"):
				last = i
			default:
				last = -1
			}
		}
	}
	if last >= 0 {
		talk.steps = slices.Delete(slices.Clone(talk.steps), last, last+1)
		n--
	}
	return talk, n
}
