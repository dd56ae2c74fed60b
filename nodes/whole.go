package nodes

import (
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// wholeFace is the face of messages that are written in pieces, as cat writes a large file and bash's printf
// several lines. All that is written until the file is closed is one message; nothing written is none. It
// is read as the plain face is.
type wholeFace struct {
	plain   Plain
	pending []byte
	refused bool // it got too long, and no part of it is sent
}

// Next receives one message.
func (w *wholeFace) Next(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	return w.plain.Next(end, buf, size)
}

// Put keeps what is written.
func (w *wholeFace) Put(end backends.Endpoint, p []byte) (int, error) {
	if w.refused = w.refused || len(w.pending)+len(p) > end.Unit(); w.refused {
		w.pending = nil
		return 0, syscall.EMSGSIZE
	}
	w.pending = append(w.pending, p...)
	return len(p), nil
}

func (w *wholeFace) keeps() int { return cap(w.pending) }

// Finish sends the message.
func (w *wholeFace) Finish(end backends.Endpoint) error {
	if len(w.pending) == 0 {
		return nil
	}
	_, err := w.plain.Put(end, w.pending)
	if !Waits(err) {
		w.pending = nil
	}
	return err
}

// Left is finisher.Left.
func (w *wholeFace) Left() bool { return len(w.pending) > 0 }

// Whole reports whether a write of n bytes has to be one message and could be, and so must not be sent if
// it may be a part of a longer one.
func (f *File) Whole(n int) bool {
	w, ok := f.face.(interface{ whole() bool })
	return ok && w.whole() && f.end.Unit() >= n
}

// Refuses is why a write of n bytes can be sent neither now nor later, so that it need not wait for those
// before it; nil: it may be, or that only shows when it is tried.
func (f *File) Refuses(n int) error {
	if face, ok := f.face.(interface {
		refuses(end backends.Endpoint, n int) error
	}); ok {
		return located(f.path, face.refuses(f.end, n))
	}
	return nil
}

// Ahead reports whether a write goes before those who wait for room at the endpoint, as it needs none of theirs.
func (f *File) Ahead() bool {
	face, ok := f.face.(interface{ ahead() bool })
	if !ok || !face.ahead() {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.away() == nil // else it comes behind another call of the file
}
