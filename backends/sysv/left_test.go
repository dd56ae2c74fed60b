package sysv

import (
	"os"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/tests/ledgerfd"
	"golang.org/x/sys/unix"
)

// processes opens the queues in one process after the other, each of which goes on from the ledger of the one before,
// and tells how many records there were.
func processes(t *testing.T, p *backends.Poller) (next func() *Queues, records *int) {
	fd, records := ledgerfd.New(t), new(int)
	return func() *Queues {
		t.Helper()
		l, err := backends.OpenLedger(fd)
		if err != nil {
			t.Fatal(err)
		}
		all := map[uint32][]backends.Left{}
		*records = 0
		l.Each(func(kind uint32, number uint64, data []byte, r backends.Record) {
			all[kind] = append(all[kind], backends.Left{Kind: kind, Number: number, Data: data, Record: r})
			*records++
		})
		s := NewQueues(p)
		s.Lasts(l, func(kind uint32) []backends.Left { return all[kind] })
		return s
	}, records
}

// TestHeldGoesOn: an empty message that was taken to answer poll(2) is in its queue, or with its reader, when
// another process goes on, and in the end nothing is left in the ledger. So it is where a process has no
// descriptor left for the queue, may not send to it, or ends while it hands the message out.
func TestHeldGoesOn(t *testing.T) {
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	next, records := processes(t, p)
	s := next()
	info, err := s.Create(0, backends.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0600})
	if err != nil {
		t.Skip("no queue: ", err)
	}
	defer func() { _ = s.Remove(info.ID) }()
	open := func(sel Select) *Queue {
		q, err := s.Open(info.ID, sel)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	take := func() {
		q := open(Select{Type: 5})
		if _, err := q.TryWrite(nil, backends.Meta{}); err != nil {
			t.Fatal(err)
		}
		s.Peeks = false // as beyond peekDepth
		if q.Ready()&backends.In == 0 || len(q.q.held) != 1 {
			t.Fatalf("it holds %v", q.q.held)
		}
		q.EndReaders()
	}
	take()
	s = next()
	q := open(Select{Type: 5})
	if n, m, err := q.TryRead(nil); n != 0 || m.Type != 5 || err != nil {
		t.Errorf("its reader gets %d, %+v, %v", n, m, err)
	}
	s = next()
	if n, m, err := open(Select{Type: 5}).TryRead(nil); err != backends.ErrWouldBlock {
		t.Errorf("it comes twice: %d, %+v, %v", n, m, err)
	}
	take()
	s = next()
	s.Resumed()
	if now, err := s.Stat(info.ID); err != nil || now.Qnum != 1 {
		t.Errorf("nobody reads it: the queue has %d messages, %v", now.Qnum, err)
	}
	s = next()
	if *records != 0 {
		t.Errorf("%d records are left", *records)
	}
	reads := func(when string) {
		t.Helper()
		for _, want := range []error{nil, backends.ErrWouldBlock} {
			if n, m, err := open(Select{Type: 5}).TryRead(nil); err != want || n != 0 || err == nil && m.Type != 5 {
				t.Errorf("%s: %d, %+v, %v, want %v", when, n, m, err, want)
			}
		}
	}
	reads("given back")

	take()
	s = next()
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Max: files.Max}); err != nil {
		t.Fatal(err)
	}
	s.Resumed()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	reads("no descriptor was left")

	take()
	s = next()
	for _, mode := range []uint32{0, 0600} {
		if err := s.Change(info.ID, backends.Change{Mode: &mode}); err != nil {
			t.Fatal(err)
		}
		_ = backends.As(backends.Cred{Uid: 65534, Gid: 65534}, 0, func() error { // root may send all the same
			s.Resumed()
			return nil
		})
	}
	reads("it might not send")
	s = next()
	s.Resumed()
	if now, err := s.Stat(info.ID); err != nil || now.Qnum != 0 {
		t.Errorf("it comes twice: the queue has %d messages, %v", now.Qnum, err)
	}

	take()
	s = next()
	d, ends := s.ledger.Desk(), NewEnd(open(Select{Type: 5}))
	d.Begin(1)
	ends.Note(d)
	s.ledger = &backends.Ledger{} // nothing can be dropped
	func() {
		defer func() {
			if recover() == nil {
				t.Error("nothing was dropped")
			}
		}()
		_, _, _ = ends.TryRead((*d.Room())[:8])
	}()
	s = next()
	d = s.ledger.Unfinished(0)[0]
	d.Resume()
	if n, m, ok := d.Again((*d.Room())[:8]); n != 0 || m.Type != 5 || !ok {
		t.Errorf("its reader gets %d, %+v, %v from the desk", n, m, ok)
	}
	d.Free()
	reads("it was being handed out") // once more

	take()
	if err := s.Remove(info.ID); err != nil {
		t.Fatal(err)
	}
	s = next()
	s.Resumed()
	if s = next(); *records != 0 {
		t.Errorf("%d records are left of a queue that is gone", *records)
	}
}
