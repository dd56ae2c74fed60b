package nodes

import (
	"os"
	"syscall"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/socket"
)

// TestCallPaid: a user who has all descriptors that they may have makes no further call, also not by a file
// that was open before a hand-over.
func TestCallPaid(t *testing.T) {
	poll, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer poll.Close()
	dir, err := backends.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	back := socket.NewMaker(poll, socket.ReachNone)
	defer back.Close()
	env := NewEnv(poll)
	most := int64(9)
	env.Shares = Shares{backends.NewBudget(backends.Terms{Err: backends.ErrDescriptors},
		func(int64) backends.Bounds { return backends.Bounds{One: most, All: most, Root: most} })}
	s, err := NewSockets("sockets", env, back, dir, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	o := Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0600}
	by := Caller{Uid: o.Uid, Gid: o.Gid, Pid: os.Getpid()}
	seen, err := s.at(Seen{}).Mknod("s", syscall.S_IFREG, o)
	if err != nil {
		t.Fatal(err)
	}
	for name, by := range map[string]Caller{"new": by, "resumed": by.In(&Kept{}).Gone()} {
		most = 9
		open, err := s.at(seen).ask(syscall.O_RDWR, by)
		if err != nil {
			t.Fatal(err)
		}
		f := open.(*File)
		if _, err := f.Write([]byte("what")); err != nil {
			t.Error(name, err)
		}
		most = 0
		if _, err := f.Read(make([]byte, 9), 9, 0); err != backends.ErrWouldBlock {
			t.Error(name, err) // reading has begun, so the next request has a connection of its own
		}
		if _, err := f.Write([]byte("what")); Errno(err) != syscall.ENFILE {
			t.Errorf("%s: a call that is too much: %v", name, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
