package nodes

import (
	"bytes"
	"cmp"

	"github.com/ipcfs/ipcfs/backends"
)

// A finisher is a face that has something to do when its file is closed for the last time. ErrWouldBlock
// puts it off until the endpoint is ready to be written.
type finisher interface {
	Finish(end backends.Endpoint) error
	// Left reports whether there is something to do.
	Left() bool
}

// Finish does what the face has left to do before Close. While it answers ErrWouldBlock it is to be called
// again when the endpoint is ready to be written.
func (f *File) Finish() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.settleAside(); err != nil {
		return located(f.path, err)
	}
	err := f.putBack()
	if last, ok := f.face.(finisher); ok && !Waits(err) {
		err = cmp.Or(last.Finish(f.end), err)
	}
	return located(f.path, err)
}

// A settler is a face that may have something to do before Finish that may take long.
type settler interface {
	unsettled() bool
	settle() error
}

// settleAside has a worker do that: ErrUnsettled until it is done. The caller holds f.mu.
func (f *File) settleAside() error {
	face, ok := f.face.(settler)
	if !ok || f.away() == nil && !face.unsettled() {
		return nil
	}
	e := f.run(backends.Out, func(e *errand) { e.err = face.settle() })
	if e == nil {
		return backends.ErrUnsettled
	}
	return e.err
}

// Left reports whether Finish has something to do.
func (f *File) Left() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	last, ok := f.face.(finisher)
	return f.rare != nil && len(f.rare.back) > 0 || ok && last.Left()
}

// TakeBack keeps messages that were received at d, and that nobody will ask for: they are to go back to where
// they are from. It does nothing the second time.
func (f *File) TakeBack(d *backends.Desk) {
	if to, ok := f.end.(backends.Returner); !ok || !to.Returns() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.seldom()
	if r.moved == d.Step() {
		return
	}
	for buf := make([]byte, backends.DeskBytes); ; {
		n, m, more := d.Back(buf)
		if !more {
			break
		}
		r.back = append(r.back, backends.Message{Data: bytes.Clone(buf[:n]), Meta: m})
		f.pays.add(n)
	}
	f.saveMoved(d)
}

// GiveBack returns what goes back, noted at d, as far as there is room: the rest waits for the close. It does
// nothing if an earlier process has done all of that.
func (f *File) GiveBack(d *backends.Desk) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.rare; r == nil || r.moved == d.Step() || len(r.back) == 0 {
		return
	}
	if end, ok := f.end.(backends.Noter); ok && f.note != nil {
		end.Note(d)
		defer end.Note(nil)
	}
	_ = f.putBack()
	f.saveMoved(d)
}

// saveMoved writes down what goes back. The caller holds f.mu.
func (f *File) saveMoved(d *backends.Desk) {
	if f.rare.moved = d.Step(); f.lasts() {
		f.save(nil, f.note.step)
	}
}

// putBack returns what is to go back, as far as there is room. If the object is gone, it goes its way. The
// caller holds f.mu.
func (f *File) putBack() (err error) {
	for r := f.rare; r != nil && len(r.back) > 0; r.back = r.back[1:] {
		one := r.back[0]
		switch e := f.end.(backends.Returner).TryReturn(one.Data, one.Meta); {
		case Waits(e):
			return e
		case e != backends.ErrRemoved:
			err = cmp.Or(err, e)
		}
		f.pays.add(-len(one.Data))
	}
	return err
}

// dropBack forgets what is still to go back. The caller holds f.mu.
func (f *File) dropBack() {
	if f.rare == nil {
		return
	}
	for _, one := range f.rare.back {
		f.pays.add(-len(one.Data))
	}
	f.rare.back = nil
}
