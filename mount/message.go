package mount

import (
	"bytes"
	"syscall"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// read answers a READ of a message face, or parks it. Who must not wait (O_NONBLOCK, as it is set now) gets EAGAIN.
func (s *Session) read(o *openFile, in *fuse.ReadIn, out []byte) {
	g := o.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	// A READ that is answered in full the kernel follows by one for the next piece of a longer read(2), which would wait.
	size, off := min(int(in.Size), maxWhole), int64(in.Offset)
	if g.readers.Len() == 0 || o.file.InHand(off) {
		g.hush(backends.Out)
		n, err := g.read(o, out[headerSize:], size, off)
		if err != backends.ErrWouldBlock {
			s.note("read", &in.InHeader, err)
			s.answer(out, in.Unique, n, err)
			g.moved(backends.Out, out)
			return
		}
		if len(g.polls) > 0 {
			g.tellPollers()
		}
	}
	errno := syscall.EAGAIN
	if in.Flags&syscall.O_NONBLOCK == 0 {
		errno = g.park(&parked{unique: in.Unique, uid: in.Uid, file: o, size: size, off: off}, &g.readers)
	}
	if errno != 0 {
		s.note("read", &in.InHeader, errno)
		s.answer(out, in.Unique, 0, errno)
	}
	g.arm()
}

// write answers a WRITE to a message face, or parks it. One of more than maxWhole may be the first piece of a longer message: it is
// refused, and nothing is sent.
func (s *Session) write(o *openFile, in *fuse.WriteIn, data, out []byte) {
	g := o.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(data) > maxWhole && o.file.Whole(len(data)) {
		s.answer(out, in.Unique, 0, syscall.EMSGSIZE)
		return
	}
	done := 0
	if g.writers.Len() == 0 {
		g.hush(backends.In)
		n, err := o.file.Write(data)
		wait := err == backends.ErrWouldBlock || err == nil && n < len(data)
		if !wait || n > 0 && in.Flags&syscall.O_NONBLOCK != 0 {
			s.note("write", &in.InHeader, err)
			s.answerWrite(out, in.Unique, n, err)
			if err == nil {
				g.moved(backends.In, out)
			} else {
				g.arm()
			}
			return
		}
		done = n
		if len(g.polls) > 0 {
			g.tellPollers()
		}
	}
	errno := syscall.EAGAIN
	if in.Flags&syscall.O_NONBLOCK == 0 {
		p := &parked{unique: in.Unique, uid: in.Uid, file: o, data: bytes.Clone(data[done:]), done: done}
		errno = g.park(p, &g.writers)
	}
	if errno != 0 {
		s.note("write", &in.InHeader, errno)
		s.answerWrite(out, in.Unique, done, errno)
	}
	if done > 0 {
		g.serve(out) // readers who wait get what was sent, and make room for the rest
	} else {
		g.arm()
	}
}

// note keeps an error for the err file of its object, if there is something to say about it.
func (s *Session) note(op string, h *fuse.InHeader, err error) {
	if err == syscall.ENOBUFS {
		s.tree.Crowded(op, h.NodeId, h.Uid)
		return
	}
	s.tree.Note(err)
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

// answerWrite sends the answer to a WRITE: n bytes were taken. An error after a part was taken is left for the next write.
func (s *Session) answerWrite(out []byte, unique uint64, n int, err error) {
	if err != nil && n == 0 {
		s.answer(out, unique, 0, err)
		return
	}
	*(*fuse.WriteOut)(unsafe.Pointer(&out[headerSize])) = fuse.WriteOut{Size: uint32(n)}
	s.answer(out, unique, int(unsafe.Sizeof(fuse.WriteOut{})), nil)
}

// send gives the kernel an answer or a notification. ENOENT: nobody waits for it any more.
func (s *Session) send(b []byte) {
	if err := s.dev.write(b); err != nil && err != syscall.ENOENT {
		s.log.Debug("answer not taken", "err", err)
	}
}

// keepLength has the kernel use out, the answer to a GETATTR that is about to be sent, for stat(2) alone, if it should: it throws away
// attributes that it asked for before a notification came (fuse_reverse_inval_inode, fs/fuse/inode.c). TestConformance/…/harmless holds it.
func (s *Session) keepLength(node uint64, out []byte) {
	if as[fuse.OutHeader](out).Status != 0 || !s.tree.KeepsLength(node, &as[fuse.AttrOut](out[headerSize:]).Attr) {
		return
	}
	var msg [headerSize + 24]byte
	*(*fuse.OutHeader)(unsafe.Pointer(&msg[0])) = fuse.OutHeader{Length: uint32(len(msg)), Status: notifyInvalInode}
	*(*fuse.NotifyInvalInodeOut)(unsafe.Pointer(&msg[headerSize])) = fuse.NotifyInvalInodeOut{Ino: node, Off: -1}
	s.send(msg[:])
}

// file finds the message face open as fh; nil if fh is something else.
func (s *Session) file(fh uint64) *openFile {
	s.mu.RLock()
	o := s.files[fh]
	s.mu.RUnlock()
	if o != nil {
		return o
	}
	f := s.tree.File(fh)
	if f == nil {
		return nil
	}
	o = &openFile{fh: fh, file: f, gate: s.join(f.Waiter())}
	s.mu.Lock()
	s.files[fh] = o
	s.mu.Unlock()
	return o
}

// release forgets an open file that was closed for the last time. It reports whether it answered: a file that has something left to
// send, for which there is no room yet, stays open for that (see nodes.Finisher).
func (s *Session) release(req, out []byte) bool {
	in := as[fuse.ReleaseIn](req)
	s.mu.Lock()
	o := s.files[in.Fh]
	delete(s.files, in.Fh)
	s.mu.Unlock()
	if o == nil {
		return false
	}
	g := o.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.polls, o.kh)
	err := o.file.Finish()
	if err == backends.ErrWouldBlock {
		p := &parked{unique: in.Unique, uid: in.Uid, file: o, release: bytes.Clone(req)}
		if g.park(p, &g.writers) == 0 {
			g.arm()
			s.answer(out, in.Unique, 0, nil)
			return true
		}
	}
	s.finished(o, err)
	if err == nil {
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

// parkOpen parks an OPEN that has something to wait for (an accept, a call to be answered) and reports whether it did.
func (s *Session) parkOpen(req []byte) bool {
	in := as[fuse.OpenIn](req)
	w := s.tree.OpenWaits(in.Unique)
	if w == nil {
		return false
	}
	if in.Flags&syscall.O_NONBLOCK != 0 {
		s.tree.GiveUp(in.Unique)
		return false
	}
	g := s.join(w)
	g.mu.Lock()
	errno := g.park(&parked{unique: in.Unique, uid: in.Uid, data: bytes.Clone(req)}, &g.readers)
	if errno == 0 {
		g.arm()
	}
	g.mu.Unlock()
	if errno != 0 {
		s.tree.GiveUp(in.Unique)
		s.leave(g)
	}
	return errno == 0
}

// retryOpen tries a parked OPEN again and reports whether it was answered. The caller holds the gate's lock.
func (s *Session) retryOpen(p *parked, out []byte) bool {
	n, status := s.protocol.HandleRequest([][]byte{p.data}, [][]byte{out})
	if status.Ok() && as[fuse.OutHeader](out).Status == -int32(syscall.EAGAIN) {
		return false
	}
	p.gate.unpark(p)
	if status.Ok() {
		s.send(out[:n])
	} else {
		s.answer(out, p.unique, 0, syscall.Errno(status))
	}
	s.leave(p.gate)
	return true
}
