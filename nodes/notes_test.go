package nodes

import (
	"errors"
	"fmt"
	"testing"
)

// TestNotesShared: a user whose calls fail again and again loses the oldest of their own notes,
// and nobody else's.
func TestNotesShared(t *testing.T) {
	n := NewNotes()
	n.NoteBy("queues/theirs", errors.New("full"), 1000)
	for i := range 2 * maxNotes {
		n.NoteBy(fmt.Sprint("queues/x", i), errors.New("full"), 1001)
	}
	if n.last["queues/theirs"].line == "" || len(n.last) != maxNotes {
		t.Errorf("one user's note is gone, or %d are kept, not %d", len(n.last), maxNotes)
	}
	if n.last["queues/x0"].line != "" || n.last[fmt.Sprint("queues/x", 2*maxNotes-1)].line == "" {
		t.Error("the oldest is to go first")
	}
}
