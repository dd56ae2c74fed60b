package socket

import (
	"os"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// A dialler that is told of room in a backlog uses it or passes it on. One that was connected because
// somebody else looked, as status does, is not told any more, and hears that it is connected.
func TestRoomInBacklog(t *testing.T) {
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	me := backends.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0600}
	l, err := NewMaker(p, ReachNone).Listen(Address{Type: unix.SOCK_STREAM, Path: t.TempDir() + "/s"}, me, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var callers [4]*Conn
	var woken [4]int // on the poller's goroutine
	for i := range callers {
		c := l.Dial(Call{Who: me.Cred(), Pid: os.Getpid()}, true)
		defer c.Close()
		if err := c.Connect(); i == 0 && err != nil || i > 0 && err != backends.ErrWouldBlock {
			t.Fatal(i, err)
		}
		if callers[i] = c; i > 0 {
			c.Arm(backends.Out, func() { woken[i]++ })
		}
	}
	accept := func() {
		t.Helper()
		c, err := l.Accept(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	// settled waits until all were told.
	settled := func() [4]int {
		now := make(chan [4]int)
		p.Soon(func() { now <- woken })
		return <-now
	}
	accept() // the first; there is room for 1
	if state := callers[2].Status().State; state != "connected" {
		t.Fatal(state)
	}
	if err := callers[1].Connect(); err != backends.ErrWouldBlock {
		t.Fatal(err)
	}
	callers[1].Arm(backends.Out, func() { woken[1]++ })
	if got, want := settled(), [4]int{0, 1, 1, 0}; got != want {
		t.Errorf("told %v, want %v", got, want)
	}
	accept() // 2; there is room for 1
	if err := callers[1].Connect(); err != nil {
		t.Fatal(err)
	}
	accept() // 1; there is room for 3
	if got, want := settled(), [4]int{0, 2, 1, 1}; got != want {
		t.Errorf("told %v, want %v", got, want)
	}
}
