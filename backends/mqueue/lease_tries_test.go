package mqueue

import (
	"context"
	"errors"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/tests/ledgerfd"
)

// inLedger are leases of one queue that go on in a ledger, process after process.
type inLedger struct {
	*testing.T
	*Leases
	q    *Queues
	fd   int
	at   string
	work *backends.Workers
}

func leasingOn(t *testing.T) (*inLedger, *Queue) {
	_, q, one, at := leasing(t)
	fd := ledgerfd.New(t)
	l := &inLedger{T: t, q: q, fd: fd, at: at}
	l.goOn()
	return l, one
}

// goOn has the next process go on, as if the one before had been killed. held are on lease.
func (l *inLedger) goOn(held ...*Lease) {
	l.Helper()
	ledger, err := backends.OpenLedger(l.fd)
	if err != nil {
		l.Fatal(err)
	}
	var left []backends.Left
	ledger.Each(func(kind uint32, number uint64, data []byte, r backends.Record) {
		if kind == backends.TriesRecord {
			left = append(left, backends.Left{Kind: kind, Number: number, Data: data, Record: r})
		}
	})
	dir, err := backends.OpenDir(l.at)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { dir.Close() })
	l.Leases = OpenLeases(dir, nil)
	l.Ledger, l.Held, l.Work = ledger, map[string]bool{}, l.work
	for _, one := range held {
		l.Held[one.Name()] = true
	}
	l.Lasts(left)
	l.Recover(l.q, func(_ string, _ int, err error) {
		if err != nil {
			l.Error(err)
		}
	})
}

// takes takes a message that is handed out for the want-th time.
func (l *inLedger) takes(from *Queue, want int) *Lease {
	l.Helper()
	one, err := l.Take(from, 1000, make([]byte, 64))
	if err == nil {
		err = one.Record()
	}
	if err != nil {
		l.Fatal(err)
	}
	if one.Tries != want {
		l.Errorf("%q is handed out for time %d, want %d", one.Data, one.Tries, want)
	}
	return one
}

func (l *inLedger) send(to *Queue, texts ...string) {
	l.Helper()
	for _, text := range texts {
		if _, err := to.TryWrite([]byte(text), backends.Meta{}); err != nil {
			l.Fatal(err)
		}
	}
}

// TestTriesOnceMore: a message that went back, and was taken again before the record of its lease was gone,
// was tried as often as it was, and no other one of the same bytes more often, whoever is killed then.
func TestTriesOnceMore(t *testing.T) {
	l, one := leasingOn(t)
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	l.work = backends.NewWorkers(p, 1, 1)
	defer l.work.Close()
	l.goOn()
	l.send(one, "job")
	held := make(chan struct{})
	l.work.Go(1000, func(context.Context) { <-held })
	if err := l.takes(one, 1).Return(one); err != nil {
		t.Fatal(err)
	}
	again := l.takes(one, 2)
	l.goOn(again)
	l.send(one, "job")
	if err := errors.Join(l.takes(one, 1).Done(), again.Done()); err != nil {
		t.Fatal(err)
	}
	close(held)
}

// goingBack is a queue whose messages somebody takes before the one who returned them has gone on.
type goingBack struct {
	*Queue
	l    *inLedger
	next chan *Lease
}

func (g *goingBack) TryWrite(p []byte, m backends.Meta) (int, error) {
	n, err := g.Queue.TryWrite(p, m)
	go func() {
		one, err := g.l.Take(g.Queue, 1000, make([]byte, 64))
		if err != nil {
			g.l.Error(err)
		}
		g.next <- one
	}()
	for len(g.next) == 0 {
		there, err := g.Messages()
		if err != nil {
			g.l.Fatal(err)
		}
		free := g.l.back.TryLock()
		if free {
			g.l.back.Unlock()
		}
		if there == 0 && !free {
			break // it has the message, and waits
		}
	}
	return n, err
}

// TestTriesAtOnce: who takes a message as soon as it is back finds how often it was tried, and leaves nothing to
// others of the same bytes.
func TestTriesAtOnce(t *testing.T) {
	l, one := leasingOn(t)
	l.send(one, "job")
	to := &goingBack{one, l, make(chan *Lease, 1)}
	if err := l.takes(one, 1).Return(to); err != nil {
		t.Fatal(err)
	}
	again := <-to.next
	if again.Tries != 2 {
		t.Errorf("it is handed out for time %d", again.Tries)
	}
	l.send(one, "job")
	if err := errors.Join(l.takes(one, 1).Done(), again.Done()); err != nil {
		t.Fatal(err)
	}
}

// TestTriesOfAnotherQueue: what is remembered of a queue that was removed while nobody served goes for none
// that was made in its place.
func TestTriesOfAnotherQueue(t *testing.T) {
	l, one := leasingOn(t)
	l.send(one, "job")
	if err := l.takes(one, 1).Return(one); err != nil {
		t.Fatal(err)
	}
	l.goOn()
	if err := l.takes(one, 2).Return(one); err != nil {
		t.Fatal(err)
	}
	if err := mqUnlink(one.name); err != nil {
		t.Fatal(err)
	}
	next, err := l.q.Create(one.name, backends.Owner{Uid: 0, Mode: 0600}, 2, 64)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	l.goOn()
	if n := l.Tries.Used(1000); n != 0 {
		t.Errorf("tries of %d messages are remembered", n)
	}
	l.send(next, "job")
	if err := l.takes(next, 1).Done(); err != nil {
		t.Fatal(err)
	}
}

// TestTriesOfGone: what is remembered of a queue whose name is gone stays while an earlier process had it
// open.
func TestTriesOfGone(t *testing.T) {
	l, one := leasingOn(t)
	l.send(one, "job")
	if err := l.takes(one, 1).Return(one); err != nil {
		t.Fatal(err)
	}
	if err := mqUnlink(one.name); err != nil {
		t.Fatal(err)
	}
	l.q.left = map[uint64][]*leftQueue{one.ino: {{}}}
	l.goOn()
	l.q.left = nil
	if err := l.takes(one, 2).Done(); err != nil {
		t.Fatal(err)
	}
}
