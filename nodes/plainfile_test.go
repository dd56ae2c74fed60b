package nodes

import (
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/socket"
)

// A plain file is paid for once, whoever looks it up while it is made and removed.
func TestPlainPaidOnce(t *testing.T) {
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
	s, err := NewSockets("sockets", NewEnv(poll), back, dir, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	top := s.at(Seen{})
	o := Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0600}
	by := Caller{Uid: o.Uid, Gid: o.Gid, Pid: os.Getpid()}
	made := make(chan bool)
	var looks sync.WaitGroup
	for range 2 {
		looks.Go(func() {
			for {
				select {
				case <-made:
					return
				default:
					_, _ = top.Find("lock") // it may be there or not
				}
			}
		})
	}
	for range 2000 {
		_, open, err := top.Create("lock", o, syscall.O_CREAT|syscall.O_EXCL|syscall.O_RDWR, by)
		if err != nil {
			t.Fatal(err)
		}
		if err := open.Close(); err != nil {
			t.Fatal(err)
		}
		if err := top.Remove("lock", by); err != nil {
			t.Fatal(err)
		}
	}
	close(made)
	looks.Wait()
	if n := s.Plain().Used(o.Uid); n != 0 {
		t.Errorf("%d files are paid for, and none is there", n)
	}
}
