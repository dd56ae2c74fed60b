package nodes

import (
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// A holder is a face that may have something to give without taking it from the object: a message that it
// holds, or the end.
type holder interface {
	// Holds says what poll(2) is to hear of that beside what is ready at the endpoint.
	Holds(end backends.Endpoint) backends.Ready
	// Held is Next as far as it takes nothing from the object. ErrWouldBlock: there is nothing of the kind.
	Held(end backends.Endpoint, buf []byte, size int) ([]byte, error)
}

// A memoryHolder is a face that may keep bytes between calls, a part of what was written or a message that
// did not fit: keeps is how much memory that takes now, or less than 0 if it never does.
type memoryHolder interface{ keeps() int }

// wrapped is what a face has in common with the one it is made around.
type wrapped struct{ Face }

// Finish is finisher.Finish.
func (f *wrapped) Finish(end backends.Endpoint) error {
	if last, ok := f.Face.(finisher); ok {
		return last.Finish(end)
	}
	return nil
}

// Left is finisher.Left.
func (f *wrapped) Left() bool {
	last, ok := f.Face.(finisher)
	return ok && last.Left()
}

// More is batcher.More.
func (f *wrapped) More(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	if many, ok := f.Face.(batcher); ok {
		return many.More(end, buf, size)
	}
	return nil, backends.ErrWouldBlock
}

// Holds is holder.Holds.
func (f *wrapped) Holds(end backends.Endpoint) backends.Ready {
	if h, ok := f.Face.(holder); ok {
		return h.Holds(end)
	}
	return 0
}

// Held is holder.Held.
func (f *wrapped) Held(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	if h, ok := f.Face.(holder); ok {
		return h.Held(end, buf, size)
	}
	return nil, backends.ErrWouldBlock
}

// Patience is patient.Patience.
func (f *wrapped) Patience() time.Duration {
	if p, ok := f.Face.(patient); ok {
		return p.Patience()
	}
	return 0
}

func (f *wrapped) unsettled() bool {
	s, ok := f.Face.(settler)
	return ok && s.unsettled()
}

func (f *wrapped) settle() error { return f.Face.(settler).settle() }

func (f *wrapped) ahead() bool {
	face, ok := f.Face.(interface{ ahead() bool })
	return ok && face.ahead()
}

func (f *wrapped) asked(p []byte) {
	if face, ok := f.Face.(asked); ok {
		face.asked(p)
	}
}

func (f *wrapped) keeps() int {
	if k, ok := f.Face.(memoryHolder); ok {
		return k.keeps()
	}
	return -1
}

func (f *wrapped) whole() bool {
	_, plain := f.Face.(*Plain)
	return plain
}
