package nats

import (
	"fmt"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/tests/natsd"
	"golang.org/x/sys/unix"
)

// TestStream: many messages are stored once and in their order, as far as there is room, however often the
// servers are asked to store them.
func TestStream(t *testing.T) {
	servers := natsd.For(t, 1, "")
	l := linked(t, servers, "")
	queues := l.Queues()
	for _, room := range []int{25, 100} {
		name, rules := fmt.Sprint("q", room), QueueRules{MaxMsg: room, MsgSize: 10}
		e, _, err := queues.Create(name, backends.Owner{Mode: 0600}, rules, unix.O_RDWR)
		if err != nil {
			t.Fatal(err)
		}
		streamTwice(t, e, room)
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

func streamTwice(t *testing.T, e *end, room int) {
	const many = 40
	l, fit, full := e.q.l, many, error(nil)
	if room < many {
		fit, full = room, backends.ErrWouldBlock
	}
	var list []backends.Message
	for i := range many {
		list = append(list, backends.Message{Data: fmt.Append(nil, i)})
	}
	l.mu.Lock()
	if !e.q.streamsNow() {
		t.Error("the servers know no streams")
	}
	s := e.sending(list)
	e.out = s
	s.stream(many)
	first := s.q
	l.again(time.Now(), true) // the answer might be lost
	if first.times != 1 {
		t.Errorf("it is sent again %d times", first.times)
	}
	l.mu.Unlock()
	settled(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return s.over
	})
	if n, err := e.TrySend(list); n != fit || err != full {
		t.Errorf("%d messages are stored, %v", n, err)
	}
	for i := range fit + 1 {
		var n int
		var err error
		buf := make([]byte, 10)
		settled(t, func() bool { n, _, err = e.TryRead(buf); return err != backends.ErrUnsettled })
		if got, want := string(buf[:n]), fmt.Sprint(i); i < fit && (err != nil || got != want) {
			t.Fatalf("received %q, %v, want %q", got, err, want)
		} else if i == fit && err != backends.ErrWouldBlock {
			t.Fatalf("received %q, %v behind the last", got, err)
		}
	}
}

func settled(t *testing.T, known func() bool) {
	t.Helper()
	for begun := time.Now(); !known(); <-time.After(time.Millisecond) {
		if time.Since(begun) > 20*time.Second {
			t.Fatal("there is no answer")
		}
	}
}

// TestStreamsNow: streams are sent to servers that know them, unless batches are faster.
func TestStreamsNow(t *testing.T) {
	for version, want := range map[string]bool{"2.14.0": true, "2.15.2": true, "3.0.1": true, "2.12.4": false,
		"2.9.10": false, "1.4.0": false, "": false} {
		if knowStreams(version) != want {
			t.Errorf("%q: %v", version, !want)
		}
	}
	const quick, slow, slower = slowStream / 2, 2 * slowStream, 3 * slowStream
	for _, c := range []struct {
		queue queue
		want  bool
	}{
		{queue{streams: true}, true},
		{queue{}, false},
		{queue{streams: true, took: took{stream: quick, batch: quick / 2}}, true},
		{queue{streams: true, took: took{stream: slow}}, false},
		{queue{streams: true, took: took{stream: slow, batch: quick}}, false},
		{queue{streams: true, took: took{stream: slow, batch: slower}}, true},
	} {
		if c.queue.streamsNow() != c.want {
			t.Errorf("%v, %+v: %v", c.queue.streams, c.queue.took, !c.want)
		}
	}
}
