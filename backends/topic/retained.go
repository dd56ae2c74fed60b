package topic

import (
	"io"
	"math"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// Retained reads the retained value of a topic, as it is when it is read. It is an Endpoint and a Lender.
type Retained struct{ t *Topic }

// Retained opens the topic's value.
func (t *Topic) Retained() Retained {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	t.use()
	return Retained{t}
}

// TryLend is Lender.TryLend: io.EOF if there is no value.
func (r Retained) TryLend(most int) ([]byte, backends.Meta, error) {
	r.t.all.mu.Lock()
	defer r.t.all.mu.Unlock()
	m := r.t.value()
	switch {
	case m == nil:
		return nil, backends.Meta{}, io.EOF
	case len(m.data) > most:
		return nil, backends.Meta{}, unix.EMSGSIZE
	}
	r.t.given.Add(1, int64(len(m.data)))
	return m.data, backends.Meta{Seq: m.seq}, nil
}

// TryRead is TryLend with a copy.
func (r Retained) TryRead(p []byte) (int, backends.Meta, error) {
	msg, m, err := r.TryLend(math.MaxInt)
	return copy(p, msg), m, err
}

// TryWrite refuses.
func (Retained) TryWrite([]byte, backends.Meta) (int, error) { return 0, unix.EBADF }

// Unit is MaxMessage.
func (Retained) Unit() int { return backends.MaxMessage }

// Ready is In: there is a value or an end.
func (Retained) Ready() backends.Ready { return backends.In }

// Arm wakes at once who waits for In; nothing else comes.
func (r Retained) Arm(want backends.Ready, wake func()) {
	if want&backends.In != 0 {
		r.t.all.poll.Soon(wake)
	}
}

// Stat is that of the topic, with the bytes of the value as its size.
func (r Retained) Stat() (backends.Attr, error) {
	a, err := r.t.Stat()
	r.t.all.mu.Lock()
	defer r.t.all.mu.Unlock()
	a.Size = 0
	if m := r.t.value(); m != nil {
		a.Size = int64(len(m.data))
	}
	return a, err
}

// Close is Endpoint.Close.
func (r Retained) Close() error { return r.t.Close() }
