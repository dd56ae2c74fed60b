package mount

import (
	"bytes"
	"context"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
)

// aside is a request that a worker answers, as it may take long: a listing, or anything about an object that
// is kept elsewhere.
type aside struct {
	s    *Session
	op   uint32
	far  bool // its object is kept elsewhere: it need not be waited for
	task *backends.Task
	req  []byte
	turn *lookup // a LOOKUP that was parked until its turn, or that is answered before; nil: neither
	wait *inTurn // what its answer waits for; nil: for nothing

	// When the task is done:
	answer []byte
	err    error
}

// putAside has a worker answer a request, if it may take long, and reports whether that is so.
func (s *Session) putAside(req, out []byte) bool {
	h := as[fuse.InHeader](req)
	switch h.Opcode {
	case opForget, opBatchForget, opInit:
		return false
	}
	name := ""
	if h.Opcode == opLookup {
		name = string(nameOf(req))
	}
	if there := s.tree.Elsewhere(h, name); there != nil {
		s.setAside(req, true, there, out)
		return true
	}
	if h.Opcode != opReaddir {
		return false
	}
	s.setAside(req, false, s.near, out)
	return true
}

// setAside has a worker answer a request.
func (s *Session) setAside(req []byte, far bool, workers *backends.Workers, out []byte) {
	a := &aside{s: s, far: far, req: bytes.Clone(req)}
	if far && as[fuse.InHeader](req).Opcode == opLookup {
		a.turn = s.turns.come(a.req)
	}
	s.begunAside(a, workers, out)
}

// setLookupAside has a worker answer a LOOKUP whose turn it is.
func (s *Session) setLookupAside(w *lookup, out []byte) {
	s.begunAside(&aside{s: s, req: w.req, turn: w}, s.late.workers, out)
}

// begunAside gives a request to workers, and parks it until they have answered it.
func (s *Session) begunAside(a *aside, workers *backends.Workers, out []byte) {
	h := a.header()
	a.op, a.err = h.Opcode, syscall.EIO // a panic's
	a.task = workers.Go(h.Uid, a.run)
	s.guest(&parked{in: *h, op: a, tried: true}, backends.ErrUnsettled, out)
}

// run answers the request.
func (a *aside) run(context.Context) {
	out := a.s.plainBuffer()
	defer a.s.buffers.Put(out)
	n, status := a.s.protocol.HandleRequest([][]byte{a.req}, [][]byte{*out})
	if a.op == opLookup && !a.far && !(status.Ok() && a.s.lookedUp(a.req, a.turn, *out)) && a.turn != nil {
		defer a.s.goOn(a.turn.line) // it needs no turn
		a.s.turns.vain(a.header().Pid)
	}
	if !status.Ok() {
		a.err = syscall.Errno(status)
		return
	}
	if a.err = nil; n > 0 {
		a.answer = bytes.Clone((*out)[:n])
		if errno := syscall.Errno(-as[fuse.OutHeader](*out).Status); errno != 0 {
			a.err = errno
		}
	}
}

// Try is nodes.Op's.
func (a *aside) Try(buf []byte) (int, error) {
	if !a.task.Done() {
		return 0, backends.ErrUnsettled
	}
	if a.err != nil {
		return 0, a.err
	}
	if a.far && a.turn != nil && !a.mayTell() {
		return 0, backends.ErrUnsettled
	}
	if a.op == opGetattr || a.op == opStatx {
		a.s.keepLength(a.req, a.answer)
	}
	return copy(buf, a.answer[headerSize:]), nil
}

// mayTell reports whether the answer to a LOOKUP of what is kept elsewhere may be told now: it is of no face,
// or it is its thread's turn.
func (a *aside) mayTell() bool {
	if a.wait == nil {
		name, face := a.s.tree.Face(as[fuse.EntryOut](a.answer[headerSize:]).NodeId)
		wait := &inTurn{poll: a.s.tree.Poller()}
		if face && a.s.turns.hold(a.turn, name, wait) {
			a.wait = wait
			return false
		}
	} else if a.wait.Ready() == 0 {
		return false
	}
	a.s.lookedUp(a.req, a.turn, a.answer)
	return true
}

// For is nodes.Op's.
func (a *aside) For() (backends.Waiter, backends.Ready) {
	if a.wait != nil {
		return a.wait, backends.In
	}
	return a.task, backends.In
}

// Stop is nodes.Op's. What has begun is let end, as it takes a moment; only what is asked elsewhere is not
// waited for.
func (a *aside) Stop(_ []byte, why error) (int, error) {
	switch {
	case a.task.Recall():
	case a.far:
		a.s.turns.interrupt(as[fuse.InHeader](a.req).Unique) // if its answer waits
		a.s.stopAside(as[fuse.InHeader](a.req).Unique)
		a.task.Abandon(a.undo)
	default:
		return 0, backends.ErrUnsettled
	}
	return 0, why
}

// stopAside ends what the tree does for a request that somebody gave up.
func (s *Session) stopAside(unique uint64) {
	in := fuse.InterruptIn{Unique: unique}
	in.Opcode, in.Length = opInterrupt, uint32(len(bytesOf(&in)))
	var none [headerSize]byte
	_, _ = s.protocol.HandleRequest([][]byte{bytesOf(&in)}, [][]byte{none[:]})
}

// undo takes back what an answer would have told the kernel, which never gets it.
func (a *aside) undo() {
	if a.err != nil {
		return
	}
	switch a.op {
	case opLookup, opMknod, opMkdir, opSymlink, opLink, opCreate:
		if e := as[fuse.EntryOut](a.answer[headerSize:]); e.NodeId != 0 {
			a.s.tree.Forget(e.NodeId, 1)
		}
	}
	var fh uint64
	switch a.op {
	case opCreate:
		fh = as[fuse.CreateOut](a.answer[headerSize:]).Fh
	case opOpendir:
		fh = as[fuse.OpenOut](a.answer[headerSize:]).Fh
	}
	if fh != 0 {
		a.s.tree.Release(nil, &fuse.ReleaseIn{Fh: fh})
	}
}

func (*aside) patience() time.Duration { return 0 }

func (*aside) ended(error) {}

// dyingPeriod is after how long a process is looked at again whose request was interrupted and goes on, and
// dyingMost the longest such time, when it has gone on for long: a user may have thousands of them.
const (
	dyingPeriod = 50 * time.Millisecond
	dyingMost   = 2 * time.Second
)

// interrupted has a request go on whose sender got a signal, if it waits.
func (s *Session) interrupted(unique uint64, out []byte) {
	if p := s.waiting.get(unique); p != nil {
		s.interrupt(p)
	} else {
		s.hurry(unique, out)
	}
}

// interrupt ends the wait of a request whose sender got a signal. A look-up, a stat(2) and their like are not
// ended by a signal that their process handles: programs know no EINTR from them. They end when the process
// is about to.
func (s *Session) interrupt(p *parked) {
	if a, ok := p.op.(*aside); ok {
		s.whenDying(p, int(a.header().Pid), dyingPeriod)
		return
	}
	p.cancel(syscall.EINTR)
}

func (a *aside) header() *fuse.InHeader { return as[fuse.InHeader](a.req) }

// whenDying cancels a request when its sender is about to end. The kernel tells only of the first signal.
func (s *Session) whenDying(p *parked, pid int, again time.Duration) {
	time.AfterFunc(0, func() {
		switch {
		case s.waiting.get(p.in.Unique) != p: // it has its answer
		case dying(pid):
			p.cancel(syscall.EINTR)
		default:
			time.AfterFunc(again, func() { s.whenDying(p, pid, min(2*again, dyingMost)) })
		}
	})
}
