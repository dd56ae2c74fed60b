package nats

import (
	"errors"
	"sync"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
)

// TestPublishAnew: a message that nobody waited for any more, and that another one followed which could not
// be sent, is published once more when it is written again: whoever writes it does not wait for the first
// one, which tells nobody of its end.
func TestPublishAnew(t *testing.T) {
	l := &Link{questions: map[uint64]*question{}, up: true}
	l.out.more = sync.NewCond(&l.out.mu)
	o := &topic{t: &Topics{l: l}, rules: TopicRules{Bytes: 1 << 20}}
	e := &TopicEnd{o: o, writes: true}
	a, b := []backends.Message{{Data: []byte("a")}}, []backends.Message{{Data: []byte("b")}}
	if _, err := e.TrySend(a); err != backends.ErrUnsettled {
		t.Fatal(err)
	}
	e.out.cut = true
	if _, err := e.TrySend(a); err != errCut {
		t.Fatal(err)
	}
	l.up = false
	if _, err := e.TrySend(b); err != errDown {
		t.Fatal(err)
	}
	l.up = true
	if _, err := e.TrySend(a); err != backends.ErrUnsettled {
		t.Fatal(err)
	}
	if len(l.questions) != 2 {
		t.Fatalf("%d questions", len(l.questions))
	}
	for _, q := range l.questions {
		q.answer(&nats.Msg{Data: []byte(`{"seq":1}`)}, nil)
	}
	if n, err := e.TrySend(a); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestFitBytes: of messages that are too many bytes together for a queue that counts no messages, one goes
// alone.
func TestFitBytes(t *testing.T) {
	e := oneEnd()
	l := e.q.l
	l.up, e.q.prios, e.q.rules = true, []uint32{0}, QueueRules{MaxMsg: 1, MsgSize: 10}
	if _, err := e.TrySend([]backends.Message{{Data: []byte("a")}, {Data: []byte("b")}}); err != backends.ErrUnsettled {
		t.Fatal(err)
	}
	answer := func(text string) {
		t.Helper()
		if len(l.questions) != 1 {
			t.Fatalf("%d questions", len(l.questions))
		}
		for n, q := range l.questions {
			delete(l.questions, n)
			q.answer(&nats.Msg{Data: []byte(text)}, nil)
		}
	}
	answer(`{"error":{"code":400,"err_code":10077}}`)
	answer(`{"config":{"max_msgs":-1,"max_bytes":100},"state":{"messages":3}}`)
	answer(`{"seq":4}`)
	answer(`{"error":{"code":400,"err_code":10077}}`)
	if n, err := e.TrySend(e.out.list); n != 1 || !errors.Is(err, backends.ErrWouldBlock) {
		t.Errorf("%d, %v", n, err)
	}
}
