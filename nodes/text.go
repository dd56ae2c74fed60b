package nodes

import (
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// Text is an open file that shows a text made anew each time it is read from its beginning, and may take commands. It is an
// Endpoint: ready to be read when the text is not the one that was read last.
type Text struct {
	made  time.Time
	perm  uint32
	text  func() (string, error)
	do    func(line string) error // nil: it takes no commands
	mu    sync.Mutex
	shown bool
	last  string
	timer *time.Timer
}

// textPeriod is how often a text is made anew while somebody waits for it to change: what native programs do to an object makes no
// event for us. It is the longest that a change goes unnoticed.
const textPeriod = 100 * time.Millisecond

// TextControl is a control file that shows a text.
func TextControl(name string, text func() (string, error)) Control {
	return Control{Name: name, Perm: 0444, Open: func(flags int, by Caller) (Open, error) {
		if writes(flags) {
			return nil, syscall.EACCES // to root too, whom the mode does not stop
		}
		return openText(0444, text, nil, ReadText), nil
	}}
}

// WatchControl is a control file that shows a text, and then each one that differs from the last, whole. It has no end.
func WatchControl(name string, text func() (string, error)) Control {
	return Control{Name: name, Perm: 0444, Open: func(flags int, by Caller) (Open, error) {
		if writes(flags) {
			return nil, syscall.EACCES
		}
		return openText(0444, text, nil, Seekable), nil
	}}
}

// CommandControl is a control file that takes commands, one a line, and shows the text that would bring about the present state.
func CommandControl(name string, perm uint32, text func() (string, error), do func(line string, by Caller) error) Control {
	return Control{Name: name, Perm: perm, Open: func(flags int, by Caller) (Open, error) {
		return openText(perm, text, func(line string) error { return do(line, by) }, ReadText), nil
	}}
}

func openText(perm uint32, text func() (string, error), do func(line string) error, how Reading) *File {
	t := &Text{made: time.Now(), perm: perm, text: text, do: do}
	return NewFile(textFace{}, t, how, nil)
}

// fresh is the text as it is now, and whether nobody has read it yet.
func (t *Text) fresh() (string, bool, error) {
	s, err := t.text()
	t.mu.Lock()
	defer t.mu.Unlock()
	return s, !t.shown || s != t.last, err
}

// Ready is In if the text has changed since it was read.
func (t *Text) Ready() backends.Ready {
	if _, news, err := t.fresh(); news || err != nil {
		return backends.In | backends.Out
	}
	return backends.Out
}

// Arm is Waiter.Arm.
func (t *Text) Arm(_ backends.Ready, wake func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
	t.timer = time.AfterFunc(textPeriod, wake)
}

// TryRead is not for texts, which have no bound: see textFace.
func (t *Text) TryRead([]byte) (int, backends.Meta, error) { return 0, backends.Meta{}, syscall.EINVAL }

// TryWrite does commands, one a line, up to the first that fails.
func (t *Text) TryWrite(p []byte, _ backends.Meta) (int, error) {
	if t.do == nil {
		return 0, syscall.EBADF
	}
	for line := range strings.Lines(string(p)) {
		if err := t.do(line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Unit is 0: a text comes in pieces.
func (t *Text) Unit() int { return 0 }

// Stat is of a file with no size, as those of proc(5).
func (t *Text) Stat() (Attr, error) {
	return Attr{Mode: syscall.S_IFREG | t.perm, Nlink: 1, Mtime: t.made, Ctime: t.made}, nil
}

// Close ends the wait.
func (t *Text) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
	return nil
}

// textFace reads a Text.
type textFace struct{}

// Next is the text, if it is a new one.
func (textFace) Next(end backends.Endpoint, _ []byte, _ int) ([]byte, error) {
	t := end.(*Text)
	s, news, err := t.fresh()
	if err != nil {
		return nil, err
	}
	if !news {
		return nil, backends.ErrWouldBlock
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shown, t.last = true, s
	return []byte(s), nil
}

// Put does commands.
func (textFace) Put(end backends.Endpoint, p []byte) (int, error) {
	return end.TryWrite(p, backends.Meta{})
}
