package nodes

import (
	"errors"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// Notes keep the last failure of each object, for its err file, and of all, under "". They are bounded: the oldest goes first.
type Notes struct {
	mu    sync.Mutex
	last  map[string]string
	order []string
}

const maxNotes = 1024

// NewNotes makes an empty set.
func NewNotes() *Notes { return &Notes{last: map[string]string{}} }

// Note remembers err as the last failure of the object at path (from the root of the tree).
func (n *Notes) Note(path string, err error) {
	line := time.Now().Format(time.RFC3339) + " " + backends.Line(err.Error()) + "\n"
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range []string{"", path} {
		if _, known := n.last[p]; !known {
			n.order = append(n.order, p)
		}
		n.last[p] = line
	}
	for len(n.order) > maxNotes {
		delete(n.last, n.order[0])
		n.order = n.order[1:]
	}
}

func (n *Notes) control(path string) Control {
	return TextControl("err", func() (string, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.last[path], nil
	})
}

// advise notes a failure that its errno alone does not explain, and gives the errno its name.
func advise(op string, errno syscall.Errno, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	return &Error{Op: op, Errno: errno, Advice: strings.TrimPrefix(strings.TrimPrefix(err.Error(), errno.Error()), ": ")}
}
