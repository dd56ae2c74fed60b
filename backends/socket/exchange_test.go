package socket

import (
	"os"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// TestAskedHangsUp: who waits for a hang-up alone of a file that has asked nobody yet is told that of the one it
// asks then, and not before; nor is it a hang-up that a reply has ended.
func TestAskedHangsUp(t *testing.T) {
	p, fd := newLedger(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	me := backends.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0600}
	at := Address{Type: unix.SOCK_STREAM, Path: t.TempDir() + "/s"}
	l, err := begin(t, p, fd, fakeSafe{}).Listen(at, me, 16)
	must(err)
	defer l.Close()
	by := Call{Who: me.Cred(), Pid: 7}
	x := NewExchange(p, nil, func(uint64) (*Conn, error) { return l.Dial(by, true), nil })
	defer x.Close()
	woken := make(chan bool, 8)
	wake := func() { woken <- true }
	early := func() {
		t.Helper()
		round := make(chan bool)
		p.Soon(func() { close(round) })
		if <-round; len(woken) > 0 {
			t.Error("woken early")
		}
	}
	x.Arm(backends.Hup, wake)
	early()
	_, err = x.TryWrite([]byte("what"), backends.Meta{})
	must(err)
	<-woken // to arm what there is now
	x.Arm(backends.Hup, wake)
	early()
	server, err := l.Accept(nil, nil)
	must(err)
	must(server.Close())
	<-woken
	if got := x.Ready(); got&backends.Hup == 0 {
		t.Errorf("it is ready for %#x", got)
	}
	must(x.Close())

	_, err = x.TryWrite([]byte("what"), backends.Meta{})
	must(err)
	server, err = l.Accept(nil, nil)
	must(err)
	x.Arm(backends.In, wake) // begins to read
	must(server.Close())
	<-woken
	x.Arm(backends.Hup, wake)
	early()
}
