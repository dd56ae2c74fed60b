package nodes

import (
	"sync"

	"github.com/ipcfs/ipcfs/backends"
)

// A File is an open message face. It turns messages into bytes: a read gets bytes of one message, and what the reader's buffer had no
// room for stays in hand for its next read. Calls never block; they answer backends.ErrWouldBlock. It is safe for concurrent use.
type File struct {
	face Face
	end  backends.Endpoint
	seek bool // offsets count: opened O_RDONLY

	mu   sync.Mutex
	hand []byte // the last message
	base int64  // the file offset of hand[0]
	next int64  // where the next read is expected; all before it was read
}

// A Face says which bytes one read or write of the file stands for.
type Face interface {
	// Next takes the next unit of bytes into buf, which may be longer than the size bytes the reader asked for: what is beyond them
	// is kept for the reader. A face may return other memory than buf if buf is too small; it is not used after the next call.
	Next(end backends.Endpoint, buf []byte, size int) ([]byte, error)
	// Put sends what one write brought.
	Put(end backends.Endpoint, p []byte) (int, error)
}

// NewFile makes an open file of a face of end, which it closes in the end. Read-only files are seekable within the message in hand.
func NewFile(face Face, end backends.Endpoint, flags int) *File {
	return &File{face: face, end: end, seek: !writes(flags)}
}

// Seekable reports whether the offset of a read counts.
func (f *File) Seekable() bool { return f.seek }

// InHand reports whether a read at off is served without a new message.
func (f *File) InHand(off int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held(off) != nil
}

// held is the part of the message in hand that a read at off is to get; nil if it wants a new message.
func (f *File) held(off int64) []byte {
	if !f.seek {
		off = f.next
	}
	if at := off - f.base; at >= 0 && at < int64(len(f.hand)) {
		return f.hand[at:]
	}
	return nil
}

// Read gets up to size bytes. buf is room to work in, at least size bytes; the answer lies at its beginning.
func (f *File) Read(buf []byte, size int, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.seek {
		off = f.next
	}
	if rest := f.held(off); rest != nil {
		n := copy(buf[:size], rest)
		f.next = off + int64(n)
		return n, nil
	}
	msg, err := f.face.Next(f.end, buf, size)
	if err != nil {
		return 0, err
	}
	n := min(len(msg), size)
	f.base, f.next = off, off+int64(n)
	if f.seek || n < len(msg) {
		f.hand = append(f.hand[:0], msg...)
	} else {
		f.hand = f.hand[:0]
	}
	if len(msg) > 0 && &msg[0] != &buf[0] {
		copy(buf, msg[:n])
	}
	return n, nil
}

// Write sends p.
func (f *File) Write(p []byte) (int, error) { return f.face.Put(f.end, p) }

// Whole reports whether a write is one message, which must not arrive in pieces.
func (f *File) Whole() bool { return f.end.Unit() > 0 }

// Ready says what would not block now.
func (f *File) Ready() backends.Ready {
	ready := f.end.Ready()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held(f.next) != nil {
		ready |= backends.In
	}
	return ready
}

// Waiter is what the file waits for; files of one object share it.
func (f *File) Waiter() backends.Waiter { return f.end }

// Stat is fstat(2), also of an object whose name is gone.
func (f *File) Stat() (Attr, error) { return f.end.Stat() }

// Close gives up the object.
func (f *File) Close() error { return f.end.Close() }

// Plain is the face of bytes as they are: one read one message, one write one message.
type Plain struct{ Meta backends.Meta }

// Next receives one message, or from a stream what there is up to size.
func (Plain) Next(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	unit := end.Unit()
	switch {
	case unit == 0:
		buf = buf[:size]
	case unit > len(buf):
		buf = make([]byte, unit)
	}
	n, _, err := end.TryRead(buf)
	return buf[:n], err
}

// Put sends p with the face's own Meta.
func (f Plain) Put(end backends.Endpoint, p []byte) (int, error) { return end.TryWrite(p, f.Meta) }
