package nodes

import (
	"bytes"
	"context"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// An errand is one call of a face that may take long, as it writes to a disk or does what somebody has told
// it. A worker makes the call. Meanwhile the read or write that it is for is on its way.
type errand struct {
	task *backends.Task
	dir  backends.Ready // In: a read's; Out: a write's
	kept Kept           // what the face kept when it began, in a file that lasts

	// When the task is done:
	unit []byte
	n    int
	err  error
}

// Aside has workers do the reads (In) or writes (Out) of the file, in the name of a user. Its face then
// gets no room to read into. Aside is called before the file is used.
func (f *File) Aside(w *backends.Workers, uid uint32, dirs backends.Ready) {
	r := f.seldom()
	r.work, r.uid, r.aside = w, uid, dirs
}

// aside are the directions that workers do.
func (f *File) aside() backends.Ready {
	if f.rare == nil {
		return 0
	}
	return f.rare.aside
}

// away is the errand that is under way; nil: none. The caller holds f.mu.
func (f *File) away() *errand {
	if f.rare == nil {
		return nil
	}
	return f.rare.errand
}

// unit takes the next unit of the face. The caller holds f.mu.
func (f *File) unit(buf []byte, size int) ([]byte, error) {
	if f.aside()&backends.In == 0 {
		return f.face.Next(f.end, buf, size)
	}
	e := f.run(backends.In, func(e *errand) { e.unit, e.err = f.face.Next(f.end, nil, size) })
	if e == nil {
		return nil, backends.ErrUnsettled
	}
	return e.unit, e.err
}

// put gives the face what was written. The caller holds f.mu.
func (f *File) put(p []byte) (int, error) {
	if f.aside()&backends.Out == 0 {
		return f.face.Put(f.end, p)
	}
	if f.away() == nil {
		p = bytes.Clone(p)
		if r := f.rare; r.asking != nil {
			r.asking(r.asked)
		}
		if a, ok := f.face.(asked); ok {
			a.asked(p)
		}
	}
	e := f.run(backends.Out, func(e *errand) { e.n, e.err = f.face.Put(f.end, p) })
	if e == nil {
		return 0, backends.ErrUnsettled
	}
	return e.n, e.err
}

// An asked face is told of what a worker is to Put, which may be given up before it begins.
type asked interface{ asked(p []byte) }

// Asks says which request the next write is. The caller holds the lock under which the file is written.
func (f *File) Asks(request uint64) {
	if f.rare != nil {
		f.rare.asked = request
	}
}

// run begins an errand, or takes back one that is over; nil: one is under way. The face makes one at a time.
// The caller holds f.mu.
func (f *File) run(dir backends.Ready, call func(*errand)) *errand {
	r := f.rare
	if r.errand == nil {
		e := &errand{dir: dir, err: syscall.EIO} // a panic's
		if f.lasts() {
			f.keepOfFace(&e.kept)
		}
		r.errand = e
		e.task = r.work.Go(r.uid, func(context.Context) { call(e) })
	}
	e := r.errand
	if e.dir != dir || !e.task.Done() {
		return nil
	}
	r.errand = nil
	return e
}

// recall takes an errand back and reports whether none is under way any more.
func (f *File) recall(dir backends.Ready) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.away()
	if e == nil || e.dir != dir {
		return true
	}
	if !e.task.Recall() {
		return false
	}
	f.rare.errand = nil
	return true
}

// For is what the last read or write that had to wait waits for.
func (f *File) For() backends.Waiter {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.away(); e != nil {
		return e.task
	}
	return backends.Shared(f.end)
}
