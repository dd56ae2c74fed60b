package mount

import (
	"bytes"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/nodes"
)

// read answers a READ of a message face, or parks it. One that must not wait (O_NONBLOCK, as it is set now)
// gets EAGAIN.
func (s *Session) read(o *openFile, in *fuse.ReadIn, out []byte) {
	if byPageCache(in) {
		s.answer(out, in.Unique, 0, syscall.EINVAL)
		return
	}
	began := o.begin(&o.stats.reads)
	g := o.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	// A READ that is answered in full the kernel follows by one for the next piece of a longer read(2), which
	// would wait.
	r := reading{o: o, request: fs.RequestOf(in.Unique), size: min(int(in.Size), maxWhole), off: int64(in.Offset)}
	n, err := 0, behind(&g.readers)
	tries := err == nil
	if tries {
		g.hush(backends.Out)
		n, err = r.Try(out[headerSize:])
	} else if rest, e := r.rest(out[headerSize:]); !nodes.Waits(e) {
		n, err = rest, e
	}
	nonblock := in.Flags&syscall.O_NONBLOCK != 0
	g.polls.waits(o.polled, backends.In, nonblock && err == backends.ErrWouldBlock)
	if !nodes.Waits(err) {
		s.note(&in.InHeader, err)
		o.did(&in.InHeader, n, err, out, began)
		s.answer(out, in.Unique, n, err)
		g.moved(backends.Out, out)
		return
	}
	if tries {
		g.tellPollers()
	}
	if nonblock && err == backends.ErrWouldBlock {
		if tries {
			_, err = r.Stop(out, err)
		}
		o.did(&in.InHeader, 0, err, out, began)
		s.answer(out, in.Unique, 0, err)
	} else {
		p := &struct {
			parked
			reading
		}{parked{in: in.InHeader, nonblock: nonblock, tried: tries}, r}
		p.op = &p.reading
		g.wait(&p.parked, &g.readers, err, out)
	}
	g.arm()
}

// behind is what a request finds that comes to a line: nil if nobody is in it, ErrUnsettled if the answer of
// the first is on its way.
func behind(l *waiters) error {
	switch {
	case l.first == nil:
		return nil
	case l.first.settles:
		return backends.ErrUnsettled
	}
	return backends.ErrWouldBlock
}

// write answers a WRITE to a message face, or parks it. One of more than maxWhole may be the first piece of a
// longer message: it is refused, and nothing is sent.
func (s *Session) write(o *openFile, in *fuse.WriteIn, data, out []byte) {
	began := o.begin(&o.stats.writes)
	g := o.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(data) > maxWhole && o.file.Whole(len(data)) {
		s.answer(out, in.Unique, 0, syscall.EMSGSIZE)
		return
	}
	nonblock := in.Flags&syscall.O_NONBLOCK != 0
	w := writing{o: o, request: fs.RequestOf(in.Unique), data: data}
	s.resumePart(&w)
	err := behind(&g.writers)
	ahead := err != nil && o.file.Ahead()
	tries, n := err == nil || ahead, 0
	if tries {
		g.hush(backends.In)
		n, err = w.Try(out[headerSize:])
	} else if never := o.file.Refuses(len(data)); never != nil {
		err = never
	}
	g.polls.waits(o.polled, backends.Out, nonblock && err == backends.ErrWouldBlock)
	if !nodes.Waits(err) {
		s.note(&in.InHeader, err)
		o.did(&in.InHeader, w.done, err, out, began)
		s.answer(out, in.Unique, n, err)
		w.ended(err)
		if err == nil {
			g.moved(backends.In, out)
		} else {
			g.tellPollers() // it may have taken a socket's error with it
			g.arm()
		}
		return
	}
	if tries {
		g.tellPollers()
	}
	w.data, w.bytes = bytes.Clone(w.data), len(w.data)
	p := &struct {
		parked
		writing
	}{parked{in: in.InHeader, nonblock: nonblock, tried: tries, ahead: ahead}, w}
	p.op = &p.writing
	g.wait(&p.parked, &g.writers, err, out)
	if w.done > 0 {
		g.serve(out) // readers who wait get what was sent, and make room for the rest
	} else {
		g.arm()
	}
}

// open answers an OPEN, or parks it. Its tries are made by workers, if there are any.
func (s *Session) open(in *fuse.OpenIn, workers *backends.Workers, out []byte) {
	o := &opening{
		Opening: s.tree.Begin(in), s: s, request: fs.RequestOf(in.Unique), work: workers, uid: in.Uid,
	}
	if there := s.tree.Elsewhere(&in.InHeader, ""); there != nil {
		o.far, o.work = true, there
	} else if s.tree.OpensLong(in.NodeId) {
		o.work = s.away
	}
	n, err := o.Try(out[headerSize:])
	if !nodes.Waits(err) {
		s.answer(out, in.Unique, n, err)
		return
	}
	s.guest(&parked{in: in.InHeader, op: o, nonblock: in.Flags&syscall.O_NONBLOCK != 0, tried: true}, err, out)
}

// guest parks a request that has no open file, at the gate of what it waits for.
func (s *Session) guest(p *parked, err error, out []byte) {
	p.guest = true
	w, _ := p.op.For()
	g := s.join(w)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wait(p, &g.readers, err, out)
	g.arm()
}

// note keeps an error for the err file of its object, if there is something to say about it.
func (s *Session) note(h *fuse.InHeader, err error) {
	if err == syscall.ENOBUFS {
		s.tree.Crowded(opNames[h.Opcode], h.NodeId, h.Uid)
		return
	}
	s.tree.NoteBy(err, h.Uid)
}

// answer sends the answer to a request: n bytes that stand in out behind the header, or an error.
func (s *Session) answer(out []byte, unique uint64, n int, err error) {
	if err != nil {
		n = 0
	}
	size := headerSize + n
	putHeader(out, unique, int32(nodes.Errno(err)), size)
	s.send(out[:size])
}

// send gives the kernel an answer or a notification. ENOENT: nobody waits for it any more.
func (s *Session) send(b []byte) {
	if s.ledger == nil {
		s.give(b)
		return
	}
	backends.Point("committing")
	s.tree.Commit()
	d := s.ledger.DeskOf(b)
	d.Answers(len(b))
	backends.Point("answered")
	s.give(b)
	backends.Point("told")
	d.Done()
	s.tree.Acts().Over(fs.RequestOf(as[fuse.OutHeader](b).Unique))
}

func (s *Session) give(b []byte) {
	if err := s.dev.write(b); err != nil && err != syscall.ENOENT {
		s.log.Debug("answer not taken", "err", err)
	}
}

// file finds the message face open as fh; nil if fh is something else. Whoever leads calls it, or the start.
func (s *Session) file(fh uint64) *openFile {
	recent := &s.recent[fh%uint64(len(s.recent))]
	if o := recent.Load(); o != nil && o.fh == fh {
		return o
	}
	s.mu.RLock()
	o := s.files[fh]
	s.mu.RUnlock()
	if o != nil {
		recent.Store(o)
		return o
	}
	f := s.tree.File(fh)
	if f == nil {
		return nil
	}
	o = &openFile{fh: fh, file: f, gate: s.join(f.Waiter()), stats: s.stats.of(s.tree.ClassOf(f))}
	s.mu.Lock()
	s.files[fh] = o
	s.mu.Unlock()
	return o
}

// release forgets an open file that was closed for the last time. It reports whether it answered, unless that
// was done: a file that has something left to send, for which there is no room yet, stays open for that (see
// nodes.File.Finish).
func (s *Session) release(req []byte, answered bool, out []byte) bool {
	in := as[fuse.ReleaseIn](req)
	o := s.file(in.Fh) // also one that only an earlier process was asked for: it may have left something to send
	if o == nil {
		return false
	}
	s.mu.Lock()
	delete(s.files, in.Fh)
	s.recent[in.Fh%uint64(len(s.recent))].CompareAndSwap(o, nil)
	s.mu.Unlock()
	g := o.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	g.polls.remove(o.polled)
	o.leaveUnmeasured(out)
	if f := o.polled; f != nil && f.late != nil {
		f.late.Stop()
	}
	left := o.file.Left()
	err := o.finish(out)
	if nodes.Waits(err) {
		p := &parked{in: in.InHeader, op: &releasing{o, bytes.Clone(req)}, tried: true, answered: true}
		if g.park(p, &g.writers, err == backends.ErrUnsettled, answered) == 0 {
			s.tree.Closing(o.fh)
			g.arm()
			if !answered {
				s.answer(out, in.Unique, 0, nil)
			}
			return true
		}
	}
	s.finished(o, err)
	if err == nil && left { // else a user who closes many files that were polled would keep all others waiting
		g.moved(backends.In, out)
	}
	return false
}

// finished is called when a file that was closed has sent what it had left, or failed to.
func (s *Session) finished(o *openFile, err error) {
	if err != nil {
		s.tree.Note(err)
		s.log.Warn("what a closed file had left to send was not sent", "err", err)
	}
	s.leave(o.gate)
}

// join finds or makes the gate of an endpoint, for one more who may wait there.
func (s *Session) join(w backends.Waiter) *gate {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.gates[w]
	if g == nil {
		g = &gate{s: s, w: w}
		g.wake = g.onReady
		s.gates[w] = g
	}
	g.refs++
	return g
}

func (s *Session) leave(g *gate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.refs--; g.refs == 0 {
		delete(s.gates, g.w)
	}
}
