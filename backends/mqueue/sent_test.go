package mqueue

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/tests/ledgerfd"
	"golang.org/x/sys/unix"
)

// TestSentOrNot: of a message that was about to be sent when the process was killed, the next one tells by
// the queue whether it was: it is neither lost nor sent twice. What came back from a lease meanwhile makes no
// difference, nor does a process in between that was killed when it had just opened the queue.
func TestSentOrNot(t *testing.T) {
	for _, sent := range []bool{false, true} {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprintf("sent=%v,killed=%v", sent, killed), func(t *testing.T) { sentOrNot(t, sent, killed) })
		}
	}
}

// inTurn gives one process after the other the ledger, with what the one before has left.
func inTurn(t *testing.T) (next func() (*backends.Ledger, func(kind uint32) []backends.Left)) {
	fd := ledgerfd.New(t)
	return func() (*backends.Ledger, func(kind uint32) []backends.Left) {
		l, err := backends.OpenLedger(fd)
		if err != nil {
			t.Fatal(err)
		}
		left := map[uint32][]backends.Left{}
		l.Each(func(kind uint32, number uint64, data []byte, r backends.Record) {
			left[kind] = append(left[kind], backends.Left{Kind: kind, Number: number, Data: data, Record: r})
		})
		return l, func(kind uint32) []backends.Left { return left[kind] }
	}
}

func openAt(t *testing.T, q *Queues, name string) *Queue {
	t.Helper()
	a, err := q.Stat(backends.Ref{Path: name})
	if err != nil {
		t.Fatal(err)
	}
	one, err := q.Open(backends.Ref{Path: name, Was: a}, unix.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	return one
}

// TestSentAndTaken: where native programs use the queue it is known that a message was sent, also when they have taken
// it by then; and that it was not.
func TestSentAndTaken(t *testing.T) {
	for _, sent := range []bool{false, true} {
		t.Run(fmt.Sprint("sent=", sent), func(t *testing.T) { sentAndTaken(t, sent) })
	}
}

func sentAndTaken(t *testing.T, sent bool) {
	_, q, one, _ := leasing(t)
	next := inTurn(t)
	ledger, left := next()
	q.Lasts(ledger, left)
	one.Close()
	one = openAt(t, q, one.name)
	native := func(text string) {
		if text != "" {
			if err := mqSend(one.fd, []byte(text), 0); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := mqReceive(one.fd, make([]byte, 64), new(uint32)); err != nil {
			t.Fatal(err)
		}
	}
	marks := 0
	for one.past.traffic.mark(one.fd, 0) != 0 {
		marks++
	}
	if marks != nativeSends {
		t.Errorf("a queue that nobody else uses is marked %d times", marks)
	}
	if _, err := one.TryWrite([]byte("taken"), backends.Meta{}); err != nil {
		t.Fatal(err)
	}
	native("")
	mark := one.past.traffic.mark(one.fd, 0)
	if mark == 0 {
		t.Fatal("a queue that native programs use is not marked")
	}
	d := ledger.Desk()
	d.Begin(8)
	if d.SendsTo(one.ino, 3, 0, mark); sent {
		native("new")
	}
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	ledger, left = next()
	other := NewQueues(p, 2, 64)
	other.Lasts(ledger, left)
	again := openAt(t, other, one.name)
	d = ledger.Unfinished(0)[0]
	d.Resume()
	if _, ok := d.SentAgain(); ok != sent {
		t.Errorf("sent %v, and it is told %v", sent, ok)
	}
	again.Close()
	other.Close()
	p.Close()
	one.Close()
}

func sentOrNot(t *testing.T, sent, killed bool) {
	leases, q, one, at := leasing(t)
	next := inTurn(t)
	ledger, left := next()
	q.Lasts(ledger, left)
	one.Close()
	open := func(q *Queues) *Queue { return openAt(t, q, one.name) }
	before := open(q)
	if _, err := before.TryWrite([]byte("leased"), backends.Meta{}); err != nil {
		t.Fatal(err)
	}
	if one, err := leases.Take(before, uint32(os.Getuid()), make([]byte, 64)); err != nil || one.Record() != nil {
		t.Fatal(err)
	}
	d := ledger.Desk()
	d.Begin(8)
	d.SendsTo(before.ino, 3, 0, 0)
	if sent {
		if err := mqSend(before.fd, []byte("new"), 0); err != nil {
			t.Fatal(err)
		}
	}

	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if killed {
		ledger, left = next()
		q = NewQueues(p, 2, 64)
		defer q.Close()
		q.Lasts(ledger, left)
		open(q)
	}
	ledger, left = next()
	q = NewQueues(p, 2, 64)
	defer q.Close()
	q.Lasts(ledger, left)
	dir, err := backends.OpenDir(at)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	OpenLeases(dir, nil).Recover(q, func(queue string, back int, err error) {
		if back != 1 || err != nil {
			t.Error(queue, back, err)
		}
	})
	after := open(q)
	end := NewEnd(after)
	d = ledger.Unfinished(0)[0]
	d.Resume()
	end.Note(d)
	if _, err := end.TryWrite([]byte("new"), backends.Meta{}); err != nil {
		t.Fatal(err)
	}
	if _, _, n, err := after.Limits(); n != 2 || err != nil {
		t.Errorf("%d messages, %v", n, err)
	}
	if sent, received := after.Counts(); sent != (backends.Moved{Messages: 3, Bytes: 15}) ||
		received != (backends.Moved{Messages: 1, Bytes: 6}) {
		t.Errorf("%v sent, %v received", sent, received)
	}
	after.Close()
	before.Close()
}

// TestMovesAlone: while it is noted how many messages there are, none moves, by whichever descriptor and way: a process
// that goes on would take one for sent that was not.
func TestMovesAlone(t *testing.T) {
	_, q, one, _ := leasing(t)
	ledger, err := backends.OpenLedger(ledgerfd.New(t))
	if err != nil {
		t.Fatal(err)
	}
	ledger.Each(nil)
	one.Close()
	q.Lasts(ledger, func(uint32) []backends.Left { return nil })
	open := func(access int) *Queue {
		other, err := q.Open(backends.Ref{Path: one.name}, access)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { other.Close() })
		return other
	}
	read, write, both := open(unix.O_RDONLY), open(unix.O_WRONLY), open(unix.O_RDWR)
	var moves sync.WaitGroup
	over := make(chan struct{})
	move := func(by *Queue, noted bool, once func(end backends.Port)) {
		end, anew := backends.Port(by), func() {}
		if noted {
			e, d := NewEnd(by), ledger.Desk()
			e.Note(d)
			end, anew = e, func() { d.Begin(8) }
		}
		moves.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
					anew()
					once(end)
				}
			}
		})
	}
	for _, noted := range []bool{false, true} {
		move(write, noted, func(end backends.Port) { _, _ = end.TryWrite([]byte("x"), backends.Meta{}) })
		move(read, noted, func(end backends.Port) { _, _, _ = end.TryRead(make([]byte, 64)) })
	}
	there := func() int {
		n, err := both.Messages()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for range 5_000 {
		both.past.traffic.Lock()
		was := there()
		for range 20 {
			runtime.Gosched()
		}
		now := there()
		both.past.traffic.Unlock()
		if was != now {
			t.Errorf("there are %d, and then %d", was, now)
			break
		}
	}
	close(over)
	moves.Wait()
}
