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

func sentOrNot(t *testing.T, sent, killed bool) {
	leases, q, one, at := leasing(t)
	fd := ledgerfd.New(t)
	next := func() (*backends.Ledger, func(kind uint32) []backends.Left) {
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
	ledger, left := next()
	q.Lasts(ledger, left)
	one.Close()
	open := func(q *Queues) *Queue {
		a, err := q.Stat(backends.Ref{Path: one.name})
		if err != nil {
			t.Fatal(err)
		}
		one, err := q.Open(backends.Ref{Path: one.name, Was: a}, unix.O_RDWR)
		if err != nil {
			t.Fatal(err)
		}
		return one
	}
	before := open(q)
	if _, err := before.TryWrite([]byte("leased"), backends.Meta{}); err != nil {
		t.Fatal(err)
	}
	if one, err := leases.Take(before, uint32(os.Getuid()), make([]byte, 64)); err != nil || one.Record() != nil {
		t.Fatal(err)
	}
	d := ledger.Desk()
	d.Begin(8)
	d.SendsTo(before.ino, 3, 0)
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
		both.past.moves.Lock()
		was := there()
		for range 20 {
			runtime.Gosched()
		}
		now := there()
		both.past.moves.Unlock()
		if was != now {
			t.Errorf("there are %d, and then %d", was, now)
			break
		}
	}
	close(over)
	moves.Wait()
}
