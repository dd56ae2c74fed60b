package nodes

import (
	"io"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

// sentTo is the end of a queue to which somebody sends whenever a message is taken.
type sentTo struct {
	QueueEnd
	there, taken int
	size         int // of each message
}

func (*sentTo) Unit() int { return 8 }

func (e *sentTo) Messages() (int, error) { return e.there, nil }

func (e *sentTo) TryRead(p []byte) (int, backends.Meta, error) {
	if e.taken++; e.taken > 100 {
		panic("it does not end")
	}
	return copy(p, make([]byte, e.size)), backends.Meta{}, nil
}

// Who goes on sending keeps nobody busy for ever: neither the command drain, nor a read of the file, which
// passes over messages of no bytes.
func TestDrainEnds(t *testing.T) {
	for _, size := range []int{0, 5} {
		end := &sentTo{there: 3, size: size}
		if err := new(Env).drain(Caller{})(end); err != nil || end.taken != 3 {
			t.Errorf("of 3 messages of %d bytes %d were taken: %v", size, end.taken, err)
		}
	}
	end := &sentTo{there: 3}
	if _, err := (drainFace{}).Next(end, make([]byte, 8), 8); err != io.EOF || end.taken != 4 {
		t.Errorf("%d messages of no bytes were taken: %v", end.taken, err)
	}
}
