package backends

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRemovalsLost: where the kernel had no room for all removals, it is told that any name may be one.
func TestRemovalsLost(t *testing.T) {
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	at := t.TempDir()
	d, err := OpenDir(at)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	told := make(chan string, 1)
	r, err := NewRemovals(p, d, func(name string) {
		if name == "" {
			told <- name
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	busy, free := make(chan bool), make(chan bool)
	p.Soon(func() { close(busy); <-free })
	<-busy
	for i := range Sysctl("fs/inotify/max_queued_events") + 2 {
		name := fmt.Sprint(at, "/", i)
		if err := unix.Mknod(name, unix.S_IFREG, 0); err != nil {
			t.Fatal(err)
		}
		if err := unix.Unlink(name); err != nil {
			t.Fatal(err)
		}
	}
	close(free)
	<-told
}
