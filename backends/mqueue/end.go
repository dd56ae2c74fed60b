package mqueue

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

// TryRead is Port.TryRead.
func (e *End) TryRead(p []byte) (int, backends.Meta, error) {
	if e.Desk == nil {
		return e.Queue.TryRead(p)
	}
	if n, m, ok := e.Desk.Again(p); ok {
		e.Desk.CountIn(e.past.received, 1, int64(n))
		return n, m, nil
	}
	if e.Desk.Full() {
		return 0, backends.Meta{}, backends.ErrWouldBlock
	}
	e.past.traffic.Lock()
	defer e.past.traffic.Unlock()
	tray, prio := e.Desk.Tray(e.msgsize)
	if tray == nil || len(p) < len(tray) {
		n, m, err := e.Queue.receive(p)
		if err == nil {
			e.Desk.Got(p[:n], m)
			e.Desk.CountIn(e.past.received, 1, int64(n))
		}
		return n, m, err
	}
	backends.Point("receiving")
	n, err := mqReceive(e.fd, tray, prio)
	if err != nil {
		return 0, backends.Meta{}, e.explain(err)
	}
	backends.Point("received")
	m := backends.Meta{Prio: *prio}
	e.Desk.Took(p, n, m)
	backends.Point("noted received")
	e.past.traffic.there--
	e.Desk.CountIn(e.past.received, 1, int64(n))
	return n, m, nil
}

// TryWrite is Port.TryWrite.
func (e *End) TryWrite(p []byte, m backends.Meta) (int, error) {
	if e.Desk == nil {
		return e.Queue.TryWrite(p, m)
	}
	if err := e.put(p, m); err != nil {
		return 0, err
	}
	e.Desk.CountIn(e.past.sent, 1, int64(len(p)))
	return len(p), nil
}

// TryReturn is Returner.TryReturn.
func (e *End) TryReturn(p []byte, m backends.Meta) error {
	err := e.put(p, m)
	if err == nil {
		e.Desk.CountIn(e.past.received, -1, -int64(len(p)))
	}
	return err
}

// put sends a message, unless an earlier process did.
func (e *End) put(p []byte, m backends.Meta) error {
	if _, ok := e.Desk.SentAgain(); ok {
		return nil
	}
	if e.Desk.Full() {
		return backends.ErrWouldBlock
	}
	e.past.traffic.Lock()
	defer e.past.traffic.Unlock()
	a, err := mqGetattr(e.fd)
	switch {
	case err != nil:
		return err
	case a.CurMsgs >= a.MaxMsg:
		return e.explain(unix.EAGAIN)
	}
	e.Desk.SendsTo(e.ino, len(p), a.CurMsgs, e.past.traffic.mark(e.fd, a.CurMsgs))
	backends.Point("sending")
	if err := e.Queue.send(p, m); err != nil {
		e.Desk.NotSent()
		return err
	}
	backends.Point("sent")
	e.Desk.Sent(len(p))
	backends.Point("noted sent")
	return nil
}
