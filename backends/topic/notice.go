package topic

import (
	"fmt"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// A Notice tells that the retained value of a topic changed, however often, by the number of the newest
// message, or 0 if the value was taken back. It holds no message back. It is an Endpoint.
type Notice struct {
	t    *Topic
	seen uint64 // t.changes
	wait sleeper
}

// Notice opens a notice of what changes from now on, and before that of the value there is if the rules
// give it to late readers.
func (t *Topic) Notice() *Notice {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	n := &Notice{t: t, seen: t.changes}
	if t.rules.Retain && t.value() != nil {
		n.seen--
	}
	t.watchers++
	t.use()
	return n
}

// TryRead gives the number as a line.
func (n *Notice) TryRead(p []byte) (int, backends.Meta, error) {
	n.t.all.mu.Lock()
	defer n.t.all.mu.Unlock()
	switch {
	case n.seen == n.t.changes && n.t.removed:
		return 0, backends.Meta{}, backends.ErrRemoved
	case n.seen == n.t.changes:
		return 0, backends.Meta{}, backends.ErrWouldBlock
	}
	n.seen = n.t.changes
	var seq uint64
	if m := n.t.value(); m != nil {
		seq = m.seq
	}
	return len(fmt.Appendf(p[:0], "%d\n", seq)), backends.Meta{}, nil
}

// TryWrite refuses.
func (n *Notice) TryWrite([]byte, backends.Meta) (int, error) { return 0, unix.EBADF }

// Unit is the length of the longest number with its newline.
func (n *Notice) Unit() int { return len("18446744073709551615\n") }

// Ready is In if there is something to tell.
func (n *Notice) Ready() backends.Ready {
	n.t.all.mu.Lock()
	defer n.t.all.mu.Unlock()
	return n.ready()
}

func (n *Notice) ready() (ready backends.Ready) {
	if n.seen != n.t.changes {
		ready = backends.In
	}
	if n.t.removed {
		ready |= backends.Err
	}
	return ready
}

// Arm is Waiter.Arm.
func (n *Notice) Arm(want backends.Ready, wake func()) {
	n.t.all.mu.Lock()
	defer n.t.all.unlock()
	n.t.arm(&n.wait, n.ready(), want, wake)
}

// Stat is that of the topic.
func (n *Notice) Stat() (backends.Attr, error) {
	a, err := n.t.Stat()
	a.Size = 0
	return a, err
}

// Close ends the notice.
func (n *Notice) Close() error {
	n.t.all.mu.Lock()
	defer n.t.all.mu.Unlock()
	n.t.sleepers.forget(&n.wait)
	n.t.watchers--
	n.t.unuse()
	return nil
}
