package keeper

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// However many other signals wait, one that ends the mount is heard, and before them.
func TestEndNotLost(t *testing.T) {
	s := Listen()
	defer s.Stop()
	// One of each kind waits with the kernel at a time.
	for n := 1; n <= cap(s.others); n++ {
		if err := unix.Kill(unix.Getpid(), unix.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		for len(s.others) < n {
			runtime.Gosched()
		}
	}
	if err := unix.Kill(unix.Getpid(), unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for len(s.end) == 0 {
		runtime.Gosched()
	}
	if sig := s.next(); sig != unix.SIGTERM {
		t.Error(sig)
	}
	for range cap(s.others) {
		if sig := s.next(); sig != unix.SIGUSR1 {
			t.Error(sig)
		}
	}
	if s.wait() {
		t.Error("there are more")
	}
}
