package backends

import (
	"math"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLockIn: a lock is told as it was asked for.
func TestLockIn(t *testing.T) {
	for line, want := range map[string]Lock{
		"lock:\t1: OFDLCK ADVISORY  WRITE -1 00:1c:7 10 19\n": {Type: unix.F_WRLCK, Start: 10, End: 19},
		"lock:\t2: FLOCK  ADVISORY  READ 123 00:1c:7 0 EOF\n": {
			Type: unix.F_RDLCK, Flock: true, End: math.MaxInt64,
		},
		"lock:\t1: OFDLCK ADVISORY  READ -1 fe:01:7 5 EOF\n":    {Type: unix.F_RDLCK, Start: 5, End: math.MaxInt64},
		"lock:\t1: OFDLCK ADVISORY  READ -1 fe:01:7 five EOF\n": {},
		"pos:\t0\n": {},
	} {
		if got, ok := lockIn(line); ok != (want != Lock{}) || ok && got != want {
			t.Errorf("%q: %+v %v", line, got, ok)
		}
	}
}
