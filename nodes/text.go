package nodes

import (
	"sync"
	"syscall"
	"time"
)

// TextControl is a control file that shows a text. The text is made when the file is opened, so that one reader sees one moment.
func TextControl(name string, text func() (string, error)) Control {
	return Control{Name: name, Perm: 0444, Open: func(int, Caller) (Open, error) {
		s, err := text()
		if err != nil {
			return nil, err
		}
		return &Text{text: s, made: time.Now()}, nil
	}}
}

// Text is an open file with a text that does not change.
type Text struct {
	text string
	made time.Time
}

// ReadAt is pread(2).
func (t *Text) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(t.text)) {
		return 0, nil
	}
	return copy(p, t.text[off:]), nil
}

// WriteAt refuses: the file is for reading.
func (t *Text) WriteAt([]byte, int64) (int, error) { return 0, syscall.EBADF }

// Stat has the size.
func (t *Text) Stat() (Attr, error) {
	return Attr{Mode: syscall.S_IFREG | 0444, Nlink: 1, Size: int64(len(t.text)), Mtime: t.made, Ctime: t.made}, nil
}

// Close has nothing to close.
func (t *Text) Close() error { return nil }

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
	line := time.Now().Format(time.RFC3339) + " " + err.Error() + "\n"
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
