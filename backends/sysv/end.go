package sysv

import "github.com/ipcfs/ipcfs/backends"

// An End is a Queue as one open file has it. It notes on the file's desk what goes through the kernel, so
// that another process can go on with it (backends.Desk).
type End struct {
	*Queue
	desk *backends.Desk
}

// NewEnd makes an End of a queue that is held for it.
func NewEnd(q *Queue) *End { return &End{Queue: q} }

// Note is Noter.Note.
func (e *End) Note(d *backends.Desk) { e.desk = d }

// Shared is Noter.Shared.
func (e *End) Shared() backends.Endpoint { return e.Queue }

// TryRead is Port.TryRead.
func (e *End) TryRead(p []byte) (int, backends.Meta, error) { return e.receive(p, e.Queue.TryRead) }

// TryFit is Fitter.TryFit.
func (e *End) TryFit(p []byte) (int, backends.Meta, error) { return e.receive(p, e.Queue.TryFit) }

func (e *End) receive(p []byte, by func([]byte) (int, backends.Meta, error)) (int, backends.Meta, error) {
	if n, m, ok := e.desk.Again(p); ok {
		return n, m, nil
	}
	if e.desk.Full() {
		return 0, backends.Meta{}, backends.ErrWouldBlock
	}
	n, m, err := by(p)
	if err == nil {
		e.desk.Got(p[:n], m)
	}
	return n, m, err
}

// TryWrite is Port.TryWrite.
func (e *End) TryWrite(p []byte, m backends.Meta) (int, error) {
	if n, ok := e.desk.SentAgain(); ok {
		return n, nil
	}
	if e.desk.Full() {
		return 0, backends.ErrWouldBlock
	}
	n, err := e.Queue.TryWrite(p, m)
	if err == nil {
		e.desk.Sent(n)
	}
	return n, err
}
