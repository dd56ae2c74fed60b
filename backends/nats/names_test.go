package nats

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"jobs":       "ipcfs_q_jobs",
		"a_B-9":      "ipcfs_q_a_B-9",
		"a.b":        "ipcfs_q_a=2Eb",
		"*>":         "ipcfs_q_=2A=3E",
		" \t\n=%":    "ipcfs_q_=20=09=0A=3D=25",
		"Größe":      "ipcfs_q_Größe",
		"\xff\xc3":   "ipcfs_q_=FF=C3",
		"\uFFFD":     "ipcfs_q_\uFFFD",
		"\U0001F600": "ipcfs_q_\U0001F600",
	} {
		stream, err := queueStream(name)
		if err != nil || stream != want {
			t.Errorf("the stream of %q is %q (%v), want %q", name, stream, err, want)
		}
		if back, ok := queueOf(stream); !ok || back != name {
			t.Errorf("the queue of %q is %q, %v", stream, back, ok)
		}
	}
	if _, err := queueStream(strings.Repeat("x", 248)); !errors.Is(err, unix.ENAMETOOLONG) {
		t.Errorf("a name that is too long: %v", err)
	}
	if s, err := queueStream(strings.Repeat("x", 247)); err != nil || len(s) != 255 {
		t.Errorf("the longest name: %v", err)
	}
	// What strangers keep on the same servers, or make to fool a daemon, is nobody's queue or topic.
	for _, stream := range []string{
		"", "jobs", "ipcfs_q_", "ipcfs_q_=2E", "ipcfs_q_=2E=2E", "ipcfs_q_a=2Fb", "ipcfs_q_a=", "ipcfs_q_a=2",
		"ipcfs_q_=6A", "ipcfs_q_=2e=2e=2e", "ipcfs_q_=00", "ipcfs_q_a b", "ipcfs_q_=+1", "ipcfs_t_a",
		"ipcfs_q_\xff", "ipcfs_q_=C3=B6",
	} {
		if name, ok := queueOf(stream); ok {
			t.Errorf("the stream %q is taken for the queue %q", stream, name)
		}
	}
	for _, stream := range []string{"ipcfs_t_=2Fa", "ipcfs_t_a=2F", "ipcfs_t_a=2F=2E=2E=2Fb", "ipcfs_t_a=2F=2Fb"} {
		if path, ok := topicOf(stream); ok {
			t.Errorf("the stream %q is taken for the topic %q", stream, path)
		}
	}
}

func TestTopicSubjects(t *testing.T) {
	const path = "plant/hall 1/t.emp"
	subject := topicSubject(liveSubjects, path)
	if want := "ipcfs.l.plant.hall=201.t=2Eemp"; subject != want {
		t.Errorf("the subject of %q is %q, want %q", path, subject, want)
	}
	for _, subject := range []string{"", "ipcfs.l.", "ipcfs.l.a..b", "ipcfs.l.=2F", "ipcfs.l.a.=2E", "ipcfs.t.a",
		"ipcfs.l.*"} {
		if path, ok := topicAt(liveSubjects, subject); ok {
			t.Errorf("the subject %q is taken for that of %q", subject, path)
		}
	}
	if got, want := queueSubject("a b", 7), "ipcfs.q.a=20b.7"; got != want {
		t.Errorf("the subject of a queue is %q, want %q", got, want)
	}
}

// FuzzNames: a name that can be in a tree comes back from its stream and its subject, which the server takes;
// what is no such stream is taken for none.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"jobs", "a/b", "ipcfs_t_a=2Fb", "..", "=20", "\xff\x00", "Größe/x.y", "ipcfs.l.a.b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if stream, err := topicStream(name); err == nil && isPath(name) {
			if back, ok := topicOf(stream); !ok || back != name {
				t.Errorf("%q has the stream %q, which is %q, %v", name, stream, back, ok)
			}
			subject := topicSubject(topicSubjects, name)
			if back, ok := topicAt(topicSubjects, subject); !ok || back != name {
				t.Errorf("%q has the subject %q, which is %q, %v", name, subject, back, ok)
			}
			if strings.ContainsAny(stream, " \t\r\n\f.*>/\\\x00") || strings.ContainsAny(subject, " \t\r\n\f*>\x00") {
				t.Errorf("%q has the stream %q and the subject %q", name, stream, subject)
			}
		}
		for _, read := range []func(string) (string, bool){topicOf, queueOf} {
			path, ok := read(name)
			if !ok {
				continue
			}
			if !isPath(path) {
				t.Errorf("the stream %q is %q", name, path)
			}
			if back, err := streamOf(name[:len(topicStreams)], path); err != nil || back != name {
				t.Errorf("the stream %q is %q, whose stream is %q (%v)", name, path, back, err)
			}
		}
	})
}
