package backends

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestMovedAgain: what a system call of a socket has moved is known to a process that goes on, though the one
// that made it has not noted it.
func TestMovedAgain(t *testing.T) {
	fd, err := NewLedger()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	l, err := OpenLedger(fd)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	d := l.Desk()
	d.Begin(2)
	if n, err := d.Send(pair[0], []byte("some text"), nil); n != 9 || err != nil {
		t.Fatal(n, err)
	}
	p := (*d.Room())[100:200]
	if n, err := d.Receive(pair[1], p); n != 9 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := d.Receive(pair[1], p); err != unix.EAGAIN {
		t.Fatal(err)
	}
	d.Resume()
	if n, ok := d.SentAgain(); n != 9 || !ok {
		t.Error(n, ok)
	}
	if n, _, ok := d.Again(p); string(p[:n]) != "some text" || !ok {
		t.Error(n, ok)
	}
	if _, ok := d.SentAgain(); ok {
		t.Error("more was done than was")
	}
	// Killed right behind the system call.
	for _, receives := range []bool{false, true} {
		d.Begin(4)
		notes := d.head.notes
		if receives {
			_, err = d.Receive(pair[1], p)
		} else {
			_, err = d.Send(pair[0], []byte("text"), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		d.head.notes, d.head.moves = notes, 1
		d.Resume()
		n, ok := 0, false
		if receives {
			n, _, ok = d.Again(p)
		} else {
			n, ok = d.SentAgain()
		}
		if n != 4 || !ok {
			t.Errorf("receives %v: %d, %v", receives, n, ok)
		}
	}
}
