package sysv

import (
	"os"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/tests/ledgerfd"
)

// TestReusedID: at a desk, too, nothing is received from a queue of somebody else's that has the id by now.
func TestReusedID(t *testing.T) {
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	fd := ledgerfd.New(t)
	l, err := backends.OpenLedger(fd)
	if err != nil {
		t.Fatal(err)
	}
	s := NewQueues(p)
	info, err := s.Create(0, backends.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0600})
	if err != nil {
		t.Skip("no queue: ", err)
	}
	defer func() { _ = s.Remove(info.ID) }()
	q, err := s.Open(info.ID, Select{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	e, d := NewEnd(q), l.Desk()
	d.Begin(1)
	e.Note(d)
	room := make([]byte, 64)
	for _, text := range []string{"ours", "theirs"} {
		if _, err := q.TryWrite([]byte(text), backends.Meta{}); err != nil {
			t.Fatal(err)
		}
		if text == "theirs" {
			q.q.made.Born++ // another one had the id
			q.q.sure.Store(-int64(time.Hour))
		}
		n, _, err := e.TryRead(room)
		switch {
		case text == "ours" && (err != nil || string(room[:n]) != text):
			t.Fatalf("%q, %v", room[:n], err)
		case text == "theirs" && err != backends.ErrRemoved:
			t.Errorf("%q, %v", room[:n], err)
		}
	}
	if now, err := s.Stat(info.ID); err != nil || now.Qnum != 1 {
		t.Errorf("%d messages are left to them, %v", now.Qnum, err)
	}
}
