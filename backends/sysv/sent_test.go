package sysv

import (
	"fmt"
	"os"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

// TestSentOrNot: of a message that was about to be sent when the process was killed, the next one tells by the queue
// whether it was, before others move messages there. So does one after that, if that was killed, too.
func TestSentOrNot(t *testing.T) {
	for _, sent := range []bool{false, true} {
		t.Run(fmt.Sprint("sent=", sent), func(t *testing.T) { sentOrNot(t, sent) })
	}
}

func sentOrNot(t *testing.T, sent bool) {
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	next, _ := processes(t, p)
	s := next()
	info, err := s.Create(0, backends.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0600})
	if err != nil {
		t.Skip("no queue: ", err)
	}
	defer func() { _ = s.Remove(info.ID) }()
	open := func() *Queue {
		t.Helper()
		q, err := s.Open(info.ID, Select{Type: 5})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	q := open()
	write := func(to backends.Port, text string) {
		t.Helper()
		if _, err := to.TryWrite([]byte(text), backends.Meta{}); err != nil {
			t.Fatal(err)
		}
	}
	write(q, "other")
	d := s.ledger.Desk()
	d.Begin(8)
	d.SendsTo(q.q.number(), 3, 1, 0)
	if sent {
		write(q, "new")
	}
	s = next()
	if _, _, err := open().TryRead(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	s = next()
	end := NewEnd(open())
	d = s.ledger.Unfinished(0)[0]
	d.Resume()
	end.Note(d)
	write(end, "new")
	if now, err := s.Stat(info.ID); err != nil || now.Qnum != 1 {
		t.Errorf("%d messages, %v", now.Qnum, err)
	}
}
