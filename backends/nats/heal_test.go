package nats

import (
	"sync"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/tests/natsd"
	nats "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// TestHeardAgain: what is listened to is listened to on the next connection, if the library has given one up
// for good.
func TestHeardAgain(t *testing.T) {
	servers := natsd.For(t, 1, "")
	l := &Link{in: make(chan *nats.Msg, 8)}
	l.out.more = sync.NewCond(&l.out.mu)
	var sends sync.WaitGroup
	sends.Go(l.send)
	defer sends.Wait()
	defer l.out.close()
	for _, word := range []string{"first", "second"} {
		conn, err := nats.Connect(servers.URL())
		if err != nil {
			t.Fatal(err)
		}
		l.out.use(conn)
		if word == "first" {
			l.out.send(parcel{Msg: nats.Msg{Subject: "heard"}, listen: true})
		}
		l.out.send(parcel{Msg: nats.Msg{Subject: "heard", Data: []byte(word)}})
		select {
		case m := <-l.in:
			if string(m.Data) != word {
				t.Errorf("heard %s, want %s", m.Data, word)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s: nothing is heard", word)
		}
		conn.Close()
	}
}

// TestDoubtLasts: whether a queue is still there is asked until that is known: those who wait for room, or in
// poll(2), may be woken by nothing else.
func TestDoubtLasts(t *testing.T) {
	e := oneEnd()
	l := e.q.l
	l.mu.Lock()
	l.up = true
	e.q.doubt()
	for _, asked := range l.questions {
		l.forget(asked)
		asked.answer(nil, errTimeout)
	}
	l.mu.Unlock()
	for begun := time.Now(); ; <-time.After(tickPeriod) {
		l.mu.Lock()
		asked := len(l.questions)
		l.mu.Unlock()
		if asked > 0 {
			return
		}
		if time.Since(begun) > 20*time.Second {
			t.Fatal("nobody asks any more")
		}
	}
}

// TestLeader: a message that was given before another server began to lead may have been given to others as
// well.
func TestLeader(t *testing.T) {
	servers := natsd.For(t, 3, "")
	l := linked(t, servers, ",replicas=3")
	e, _, err := l.Queues().Create("q", backends.Owner{Mode: 0600}, QueueRules{}, unix.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	one := &take{e: e, list: []*delivery{{at: time.Now(), q: e.q}}}
	doubtful := func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return one.doubtful(false)
	}
	if doubtful() {
		t.Error("a message is doubtful that was just given")
	}
	if err := l.call("CONSUMER.LEADER.STEPDOWN.ipcfs_q_q.p00000", nil, nil); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); !doubtful(); <-time.After(10 * time.Millisecond) {
		if time.Since(begun) > claimAfter*9/10 { // then it is doubtful for its age
			t.Fatal("another server leads, and the message is not doubtful")
		}
	}
}
