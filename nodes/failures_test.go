package nodes

import (
	"errors"
	"fmt"
	"testing"
)

// TestFailuresShared: a user whose calls fail again and again loses the oldest of their own failures,
// and nobody else's.
func TestFailuresShared(t *testing.T) {
	f := newFailures()
	f.AddBy("queues/theirs", errors.New("full"), 1000)
	for i := range 2 * maxFailures {
		f.AddBy(fmt.Sprint("queues/x", i), errors.New("full"), 1001)
	}
	if f.last["queues/theirs"].line == "" || len(f.last) != maxFailures {
		t.Errorf("one user's failure is gone, or %d are kept, not %d", len(f.last), maxFailures)
	}
	if f.last["queues/x0"].line != "" || f.last[fmt.Sprint("queues/x", 2*maxFailures-1)].line == "" {
		t.Error("the oldest is to go first")
	}
}
