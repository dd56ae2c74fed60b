package mount

import (
	"context"
	"syscall"
	"time"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/nodes"
)

// An operation is what a request asks for. A request that has to wait is parked with it. Its methods are
// called with its gate's lock.
type operation interface {
	nodes.Op
	// patience is how long it may wait; 0: for ever.
	patience() time.Duration
	// ended is called once when a request that had to wait has its answer, with the error that is in it.
	ended(err error)
}

// reading is a READ of a message face.
type reading struct {
	o       *openFile
	request uint64 // its number
	size    int
	off     int64
}

// Try is nodes.Op's. If the file gives as much as there is, and others wait to write more than there was room
// for, they go on as room is made, so that the answer gets that too: else a queue of ten messages would take
// a request for every ten (TestLinesInOneRead). It does not take from readers who wait behind.
func (r *reading) Try(buf []byte) (int, error) {
	d := r.o.sit(buf, r.request)
	n, err := r.o.file.Read(buf, r.size, r.off)
	for err == nil && n > 0 && r.makesRoom() {
		spare := r.o.gate.s.buffer()
		r.o.gate.serveLine(&r.o.gate.writers, *spare)
		r.o.gate.s.recycle(spare)
		more := r.o.file.More(buf, r.size, n)
		if more == n {
			break
		}
		n = more
	}
	r.o.rise(d, n, err)
	r.o.gate.tellOwn(r.o.polled)
	return n, err
}

// rest is Try as far as it takes nothing that others wait for. What the file keeps may change by it, also if
// it has to wait: the message on lease is done then.
func (r *reading) rest(buf []byte) (int, error) {
	d := r.o.sit(buf, r.request)
	n, err := r.o.file.Rest(buf, r.size, r.off)
	r.o.rise(d, n, err)
	return n, err
}

// makesRoom reports whether others wait to write for whom there may be room now. One who writes by the same
// open file is left to later: what that keeps is as it was before, or after, one of the two.
func (r *reading) makesRoom() bool {
	g := r.o.gate
	first := g.writers.first
	if first == nil || g.readers.n > 1 {
		return false
	}
	w, ok := first.op.(*writing)
	return g.s.ledger == nil || ok && w.o != r.o
}

// For is nodes.Op's.
func (r *reading) For() (backends.Waiter, backends.Ready) { return r.o.file.For(), backends.In }

// Stop is nodes.Op's.
func (r *reading) Stop(_ []byte, why error) (int, error) {
	if !r.o.file.Stop(backends.In) {
		return 0, backends.ErrUnsettled
	}
	return 0, why
}

func (r *reading) patience() time.Duration { return r.o.file.Patience() }

func (*reading) ended(error) {}

// writing is a WRITE to a message face.
type writing struct {
	o       *openFile
	request uint64 // its number
	data    []byte // what is still to be sent
	done    int    // of a stream: how much was sent
	part    backends.Record
	bytes   int // that it holds while it waits
}

// Try is nodes.Op's. An error after a part was taken is left for the next write.
func (w *writing) Try(buf []byte) (int, error) {
	d := w.o.sit(buf, w.request)
	w.o.file.Asks(w.request)
	n, err := w.o.file.Write(w.data)
	w.done += n
	w.data = w.data[n:]
	w.o.gate.tellOwn(w.o.polled)
	if err == nil && len(w.data) > 0 {
		err = backends.ErrWouldBlock
	}
	if nodes.Waits(err) {
		w.keepPart(d, n)
		w.o.rise(d, 0, err)
		return 0, err
	}
	n, err = w.answer(buf, err)
	w.o.rise(d, n, err)
	return n, err
}

// For is nodes.Op's.
func (w *writing) For() (backends.Waiter, backends.Ready) { return w.o.file.For(), backends.Out }

// Stop is nodes.Op's.
func (w *writing) Stop(buf []byte, why error) (int, error) {
	if !w.o.file.Stop(backends.Out) {
		return 0, backends.ErrUnsettled
	}
	return w.answer(buf, why)
}

// answer is how much was taken, if anything.
func (w *writing) answer(buf []byte, why error) (int, error) {
	if why != nil && w.done == 0 {
		return 0, why
	}
	*(*fuse.WriteOut)(unsafe.Pointer(&buf[0])) = fuse.WriteOut{Size: uint32(w.done)}
	return int(unsafe.Sizeof(fuse.WriteOut{})), nil
}

func (*writing) patience() time.Duration { return 0 }

func (w *writing) ended(err error) {
	if err != errLeft {
		w.o.gate.s.ledger.Drop(&w.part)
	}
}

// releasing is a RELEASE of a file that has something left to send (see nodes.File.Finish). The request was
// answered already.
type releasing struct {
	o   *openFile
	req []byte
}

// Try is nodes.Op's.
func (r *releasing) Try(buf []byte) (int, error) { return 0, r.o.finish(buf) }

// For is nodes.Op's.
func (r *releasing) For() (backends.Waiter, backends.Ready) { return r.o.file.For(), backends.Out }

// Stop is nodes.Op's.
func (r *releasing) Stop(_ []byte, why error) (int, error) {
	if !r.o.file.Stop(backends.Out) {
		return 0, backends.ErrUnsettled
	}
	return 0, why
}

func (*releasing) patience() time.Duration { return 0 }

func (r *releasing) ended(err error) {
	if err == errLeft {
		return
	}
	s := r.o.gate.s
	s.finished(r.o, err)
	var none [headerSize]byte // for the answer, which nobody waits for
	_, _ = s.protocol.HandleRequest([][]byte{r.req}, [][]byte{none[:]})
}

// opening is an OPEN. If it may take long, workers make its tries.
type opening struct {
	*fs.Opening
	s       *Session
	request uint64
	work    *backends.Workers // nil: it does not take long
	uid     uint32
	far     bool           // its object is kept elsewhere: it need not be waited for
	task    *backends.Task // the try that is under way; nil: none

	// When the task is done:
	out *fuse.OpenOut
	err error
}

// Try is nodes.Op's.
func (o *opening) Try(buf []byte) (int, error) {
	switch {
	case o.work == nil:
		o.out = &fuse.OpenOut{}
		o.err = o.Opening.Try(o.out)
	case o.task == nil:
		o.out, o.err = &fuse.OpenOut{}, syscall.EIO // a panic's
		o.task = o.work.Go(o.uid, func(context.Context) { o.err = o.Opening.Try(o.out) })
		return 0, backends.ErrUnsettled
	case !o.task.Done():
		return 0, backends.ErrUnsettled
	default:
		o.task = nil
	}
	if o.err != nil {
		return 0, o.err
	}
	if d := o.s.ledger.DeskOf(buf); d != nil && d.Unique() != o.request {
		d.Begin(o.request) // it had to wait: see Session.openForNobody
	}
	return copy(buf, bytesOf(o.out)), nil
}

// For is nodes.Op's.
func (o *opening) For() (backends.Waiter, backends.Ready) {
	if o.task != nil {
		return o.task, backends.In
	}
	return o.Opening.For()
}

// Stop is nodes.Op's.
func (o *opening) Stop(_ []byte, why error) (int, error) {
	switch {
	case o.task != nil && !o.task.Recall():
		if !o.far {
			return 0, backends.ErrUnsettled
		}
		o.task.Abandon(o.undo)
	case !o.Opening.Stop():
		return 0, backends.ErrUnsettled
	}
	o.task = nil
	return 0, why
}

// undo closes what was opened for nobody.
func (o *opening) undo() {
	switch {
	case o.err == nil:
		o.s.tree.Release(nil, &fuse.ReleaseIn{Fh: o.out.Fh})
	case nodes.Waits(o.err):
		o.Opening.Stop()
	}
}

func (*opening) patience() time.Duration { return 0 }

func (*opening) ended(error) {}

// polling is a POLL.
type polling struct {
	o  *openFile
	in pollIn
}

// Try is nodes.Op's.
func (p *polling) Try(buf []byte) (int, error) {
	ready, err := p.o.file.Probe()
	if nodes.Waits(err) {
		return 0, err
	}
	return p.answer(buf, ready), err
}

// answer is what is ready, after which the file is among the polls of its gate if the kernel wants that.
func (p *polling) answer(buf []byte, ready backends.Ready) int {
	o, in := p.o, &p.in
	if in.Flags&pollScheduleNotify != 0 {
		g, f := o.gate, o.polled
		if f == nil {
			f = &polled{file: o}
			o.polled = f
		}
		if g.polls == nil {
			g.polls = &polls{}
		}
		if f.kh != in.Kh {
			f.kh = in.Kh
			g.s.tree.Polled(o.fh, f.kh)
		}
		want := backends.Ready(in.Events) & (backends.In | backends.Out | backends.RdHup)
		asleep := want
		if f.at > 0 { // others may sleep in poll(2) by the same open file, for something else
			g.tellSharers(f, ready)
			want |= f.want
			asleep |= f.asleep
		}
		asleep &^= ready
		if f.asleep != asleep { // else it has waited before, its time was over, and it goes on
			f.asleep, f.since = asleep, time.Now()
		}
		f.want, f.seen = want, ready
		f.uid, f.gid, f.pid = in.Uid, in.Gid, in.Pid
		g.polls.put(f, o.file.ReadyAs(0))
		if d := o.file.Patience(); d > 0 && f.late == nil {
			f.late = time.AfterFunc(d, g.onReady)
		}
		g.armFor(f.lacks(ready))
	}
	return putPoll(buf, ready)
}

// For is nodes.Op's.
func (p *polling) For() (backends.Waiter, backends.Ready) { return p.o.file.Waiter(), backends.In }

// Stop is nodes.Op's: what was ready when it was known last.
func (p *polling) Stop(buf []byte, why error) (int, error) {
	p.o.unprobe(p)
	return p.answer(buf, p.o.file.Ready()), nil
}

func (*polling) patience() time.Duration { return 0 }

func (*polling) ended(error) {}
