package sysv

import (
	"os"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// TestHeldOfRemoved: nothing is left of a queue that held an empty message when nobody had it open any more,
// once the queue is removed.
func TestHeldOfRemoved(t *testing.T) {
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s := NewQueues(p)
	me := backends.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0600}
	for _, native := range []bool{false, true} {
		info, err := s.Create(0, me)
		if err != nil {
			t.Skip("no queue: ", err)
		}
		q, err := s.Open(info.ID, Select{Type: 1})
		if err != nil {
			t.Fatal(err)
		}
		q.q.held = []int{1}                           // as has does beyond peekDepth
		for err = s.Resize(info.ID, 4); err == nil; { // of no bytes there are as many as qbytes, at most
			_, err = q.TryWrite(nil, backends.Meta{})
		}
		if err != backends.ErrWouldBlock {
			t.Fatal(err)
		}
		if err := q.Close(); err != nil || s.opened != 1 {
			t.Fatalf("%d are open, %v", s.opened, err)
		}
		if !native {
			if err := s.Remove(info.ID); err != nil {
				t.Fatal(err)
			}
		} else { // another one has the id by now
			old := s.open[info.ID]
			old.made.Born++
			again, err := s.Open(info.ID, Select{})
			if err != nil {
				t.Fatal(err)
			}
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := msgctl(info.ID, unix.IPC_RMID, nil); err != nil {
				t.Fatal(err)
			}
		}
		if s.opened != 0 || len(s.open) != 0 || s.clock != nil {
			t.Errorf("native %v: %d are open, %d by id, clock %v", native, s.opened, len(s.open), s.clock)
		}
	}
}
