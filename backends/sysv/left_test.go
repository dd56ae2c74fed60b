package sysv

import (
	"os"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// TestHeldGoesOn: an empty message that was taken to answer poll(2) is in its queue, or with its reader, when
// another process goes on, and in the end nothing is left in the ledger.
func TestHeldGoesOn(t *testing.T) {
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	fd, err := backends.NewLedger()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	records := 0
	next := func() *Queues {
		l, err := backends.OpenLedger(fd)
		if err != nil {
			t.Fatal(err)
		}
		all := map[uint32][]backends.Left{}
		records = 0
		l.Each(func(kind uint32, number uint64, data []byte, r backends.Record) {
			all[kind] = append(all[kind], backends.Left{Kind: kind, Number: number, Data: data, Record: r})
			records++
		})
		s := NewQueues(p)
		s.Lasts(l, func(kind uint32) []backends.Left { return all[kind] })
		return s
	}
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
	if records != 0 {
		t.Errorf("%d records are left", records)
	}
	take()
	if err := s.Remove(info.ID); err != nil {
		t.Fatal(err)
	}
	s = next()
	s.Resumed()
	if s = next(); records != 0 {
		t.Errorf("%d records are left of a queue that is gone", records)
	}
}
