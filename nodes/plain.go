package nodes

import (
	"math"

	"github.com/ipcfs/ipcfs/backends"
)

// Plain is the face of bytes as they are: one read one message, one write one message.
type Plain struct{ Meta backends.Meta }

// Next receives one message, or from a stream what there is up to size.
func (Plain) Next(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	if lender, ok := end.(backends.Lender); ok {
		msg, _, err := lender.TryLend(math.MaxInt)
		return msg, err
	}
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

func (Plain) whole() bool { return true }
