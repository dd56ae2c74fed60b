package tests

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestKeeperVerbosity: SIGUSR1 to the keeper has the log of keeper and worker be of another level, also when
// the worker is another one, and the keeper another program.
func TestKeeperVerbosity(t *testing.T) {
	t.Parallel()
	s := shelved(t)
	keeper, worker := s.pids()
	lines := func(level string, n int) {
		t.Helper()
		words := `"the log is of another level" level=` + level
		if !eventually(patience, func() bool { return strings.Count(s.tr.logs(), words) >= n }) {
			t.Fatalf("no %d times %s\n%s", n, words, s.tr.logs())
		}
	}
	check(t, unix.Kill(keeper, unix.SIGUSR1))
	lines("debug", 2)
	check(t, unix.Kill(worker, unix.SIGKILL))
	lines("debug", 3)
	s.put(append(s.program, 1))
	if out, err := s.upgrade(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines("debug", 4)
	check(t, unix.Kill(keeper, unix.SIGUSR1))
	lines("info", 2)
	_, worker = s.pids()
	check(t, unix.Kill(worker, unix.SIGUSR1))
	lines("debug", 5)
}
