package mqueue

import (
	"os"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

func TestQueueBounds(t *testing.T) {
	if b := queueBounds(819200); b != (backends.Bounds{One: 409600, All: 614400, Root: backends.Unbounded}) {
		t.Errorf("of 819200: %+v", b)
	}
	none := backends.Bounds{One: backends.Unbounded, All: backends.Unbounded, Root: backends.Unbounded}
	if b := queueBounds(-1); b != none {
		t.Errorf("of any number: %+v", b)
	}
	if n := queueCost(10, 8192); n != 82880 {
		t.Errorf("a default queue takes %d bytes", n)
	}
}

// The limit of a process is its own soft one.
func TestQueueBytesOf(t *testing.T) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MSGQUEUE, &r); err != nil {
		t.Fatal(err)
	}
	want := int64(r.Cur)
	if r.Cur == unix.RLIM_INFINITY {
		want = backends.Unbounded
	}
	if n := queueBytesOf(os.Getpid()); n != want {
		t.Errorf("%d, want %d", n, want)
	}
	for _, pid := range []int{0, -1, 1 << 30} {
		if n := queueBytesOf(pid); n != queueBytesUnknown {
			t.Errorf("of process %d: %d", pid, n)
		}
	}
}
