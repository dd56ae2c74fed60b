package sysv

import (
	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// An End is a Queue as one open file has it. It notes on the file's desk what goes through the kernel, so
// that another process can go on with it (backends.Desk).
type End struct {
	*Queue
	backends.AtDesk
}

// NewEnd makes an End of a queue that is held for it.
func NewEnd(q *Queue) *End { return &End{Queue: q} }

// Shared is Noter.Shared.
func (e *End) Shared() backends.Endpoint { return e.Queue }

// trayBytes is how long a message can be that the kernel puts on the desk's tray: kernel.msgmax, if nobody
// has set it.
const trayBytes = 8192

// TryRead is Port.TryRead.
func (e *End) TryRead(p []byte) (int, backends.Meta, error) {
	if n, m, ok := e.Desk.Again(p); ok {
		return n, m, nil
	}
	if e.Desk.Full() {
		return 0, backends.Meta{}, backends.ErrWouldBlock
	}
	tray := e.Desk.TypedTray(min(len(p), trayBytes))
	if tray != nil && !e.Queue.q.holds(e.sel) && e.Queue.q.still() == nil {
		n, m, err := e.receiveTo(tray, p)
		switch err {
		case unix.ENOMSG:
			return 0, backends.Meta{}, backends.ErrWouldBlock
		case nil:
			e.Queue.q.moved(backends.Out, 0, e.Queue)
			return n, m, nil
		}
	}
	return e.Queue.receive(p, e.Desk)
}

// receiveTo is msgrcv(2) to a tray, and then to p.
func (e *End) receiveTo(tray, p []byte) (int, backends.Meta, error) {
	e.Queue.q.moves.Lock()
	defer e.Queue.q.moves.Unlock()
	backends.Point("receiving")
	n, err := msgrcv(e.Queue.q.id, tray, e.sel.Type, e.sel.flags())
	if err != nil {
		return 0, backends.Meta{}, err
	}
	backends.Point("received")
	m := backends.Meta{Type: *msgType(tray)}
	e.Desk.Took(p, n, m)
	backends.Point("noted received")
	return n, m, nil
}

// TryWrite is Port.TryWrite. Of a message that an earlier process was about to send the queue has told whether
// it did (openQueue.resolve).
func (e *End) TryWrite(p []byte, m backends.Meta) (int, error) {
	if n, ok := e.Desk.SentAgain(); ok {
		return n, nil
	}
	if e.Desk.Full() {
		return 0, backends.ErrWouldBlock
	}
	return e.Queue.write(p, m, e.Desk)
}

// Returns is Returner.Returns.
func (*End) Returns() bool { return true }

// TryReturn is Returner.TryReturn.
func (e *End) TryReturn(p []byte, m backends.Meta) error {
	_, err := e.TryWrite(p, m)
	return err
}
