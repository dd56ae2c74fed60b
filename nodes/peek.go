package nodes

import (
	"io"
	"strconv"

	"github.com/ipcfs/ipcfs/backends"
)

// peekFace is the face peek/N of a queue whose end is a Peeker, if digits are a number as it is written.
func peekFace(digits string) (func() Face, error) {
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil || digits != strconv.Itoa(int(n)) {
		return nil, notOne(digits, "place", "0 is that of the next message")
	}
	return func() Face { return &peek{n: int(n)} }, nil
}

// peek is the face of the n-th message in the queue, which stays there: it, and then the end.
type peek struct {
	readsOnly
	n   int
	had bool
}

// Holds is holder.Holds.
func (*peek) Holds(backends.Endpoint) backends.Ready { return backends.In }

// Held is holder.Held: to look takes nothing from those who wait.
func (p *peek) Held(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	return p.Next(end, buf, size)
}

// Next is the message, ENOMSG if there is none; it never waits.
func (p *peek) Next(end backends.Endpoint, buf []byte, _ int) ([]byte, error) {
	if p.had {
		return nil, io.EOF
	}
	if unit := end.Unit(); len(buf) < unit {
		buf = make([]byte, unit)
	}
	n, _, err := end.(Peeker).Peek(p.n, buf)
	p.had = err == nil
	return buf[:n], err
}
