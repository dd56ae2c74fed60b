package keeper

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// However many other signals wait, one that ends the mount is heard, and before them, each time.
func TestEndNotLost(t *testing.T) {
	s := Listen()
	defer s.Stop()
	send := func(sig unix.Signal, come func() bool) {
		t.Helper()
		if err := unix.Kill(unix.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		for until := time.Now().Add(20 * time.Second); !come(); runtime.Gosched() {
			if time.Now().After(until) {
				t.Fatalf("%v is not heard", sig)
			}
		}
	}
	// One of each kind waits with the kernel at a time.
	for n := 1; n <= cap(s.others); n++ {
		send(unix.SIGUSR1, func() bool { return len(s.others) == n })
	}
	for range 20 { // by luck it is the first once or twice
		send(unix.SIGTERM, func() bool { return len(s.end) == 1 })
		if sig := s.next(); sig != unix.SIGTERM {
			t.Fatal(sig)
		}
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
