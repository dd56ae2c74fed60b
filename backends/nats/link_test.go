package nats

import (
	"sync"
	"testing"
	"time"

	nats "github.com/nats-io/nats.go"
)

// oneEnd is an end of a queue of a link that has no connection.
func oneEnd() *end {
	l := &Link{
		questions: map[uint64]*question{}, queues: map[string]*queue{}, in: make(chan *nats.Msg), stop: make(chan struct{}),
	}
	l.out.more = sync.NewCond(&l.out.mu)
	q := &queue{l: l, stream: "s"}
	e := &end{q: q, reads: true}
	q.ends, l.queues[q.stream] = []*end{e}, q
	return e
}

// TestCloseTellsTakes: a take that is to ask again in a while is over when the link is closed, as nobody asks
// then.
func TestCloseTellsTakes(t *testing.T) {
	e := oneEnd()
	one := e.newTake(1, 0, 0)
	one.retry = time.Now()
	if err := e.q.l.Close(); err != nil {
		t.Fatal(err)
	}
	if !one.over || one.err != errClosed {
		t.Errorf("over: %v, %v", one.over, one.err)
	}
}

// TestTakeLate: a take that finds no connection in time leaves what came before to its end.
func TestTakeLate(t *testing.T) {
	e := oneEnd()
	one, d := e.newTake(2, 0, 0), &delivery{q: e.q}
	one.list, one.retry, one.due = []*delivery{d}, time.Now(), time.Now()
	one.tick(time.Now().Add(time.Second))
	if !one.over || one.err != nil || len(e.hand) != 1 || e.hand[0] != d {
		t.Errorf("over: %v, %v, and the end has %v", one.over, one.err, e.hand)
	}
}
