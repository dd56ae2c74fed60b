package nodes

import (
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// Lost is an open file whose object could not be opened again in another process: errno is the answer to
// each read and write, and poll(2) tells of an error.
func (e *Env) Lost(errno syscall.Errno) *File {
	return NewFile(lost{errno}, nowhere{e.Poll, errno}, InOrder)
}

// lost is the face of such a file.
type lost struct{ errno syscall.Errno }

// Next is Face.Next.
func (f lost) Next(backends.Endpoint, []byte, int) ([]byte, error) { return nil, f.errno }

// Put is Face.Put.
func (f lost) Put(backends.Endpoint, []byte) (int, error) { return 0, f.errno }

// nowhere is its endpoint.
type nowhere struct {
	poll  *backends.Poller
	errno syscall.Errno
}

// TryRead is Port.TryRead.
func (n nowhere) TryRead([]byte) (int, backends.Meta, error) { return 0, backends.Meta{}, n.errno }

// TryWrite is Port.TryWrite.
func (n nowhere) TryWrite([]byte, backends.Meta) (int, error) { return 0, n.errno }

// Unit is 0.
func (nowhere) Unit() int { return 0 }

// Ready is for everything: nothing blocks.
func (nowhere) Ready() backends.Ready {
	return backends.In | backends.Out | backends.Err | backends.Hup | backends.RdHup
}

// Arm wakes at once.
func (n nowhere) Arm(_ backends.Ready, wake func()) { n.poll.Soon(wake) }

// Stat is of a file with no name.
func (nowhere) Stat() (Attr, error) { return Attr{Mode: syscall.S_IFREG}, nil }

// Close gives up nothing.
func (nowhere) Close() error { return nil }

// LostBytes is an open file of addressed bytes whose object could not be opened again.
func LostBytes(errno syscall.Errno) Bytes { return lostBytes{errno} }

type lostBytes struct{ errno syscall.Errno }

// Stat is Open.Stat.
func (b lostBytes) Stat() (Attr, error) { return Attr{}, b.errno }

// Close gives up nothing.
func (lostBytes) Close() error { return nil }

// ReadAt is Bytes.ReadAt.
func (b lostBytes) ReadAt([]byte, int64) (int, error) { return 0, b.errno }

// WriteAt is Bytes.WriteAt.
func (b lostBytes) WriteAt([]byte, int64) (int, error) { return 0, b.errno }
