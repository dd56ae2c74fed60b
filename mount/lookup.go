package mount

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// lookup answers a LOOKUP, or parks it until it is its thread's turn.
func (s *Session) lookup(req, out []byte) {
	s.goOnAfter(req)
	if s.turns.threads.Load() == 0 || s.tree.Lockable(as[fuse.InHeader](req).NodeId) || !s.turns.park(req) {
		s.lookUp(req, nil, out)
	}
}

// lookUp answers a LOOKUP, and reports whether it is of a message face: then it is its thread's turn. w is
// the LOOKUP if it was parked.
func (s *Session) lookUp(req []byte, w *lookup, out []byte) (face bool) {
	h := as[fuse.InHeader](req)
	n, status := s.protocol.HandleRequest([][]byte{req}, [][]byte{out})
	if !status.Ok() {
		s.answer(out, h.Unique, 0, syscall.Errno(status))
		return false
	}
	if as[fuse.OutHeader](out).Status == 0 {
		var name string
		node := as[fuse.EntryOut](out[headerSize:]).NodeId
		if name, face = s.tree.Face(node); face && !s.tree.Lockable(node) {
			// it may not take long, or others' turns wait for it
			s.turns.told(h, name, node, w)
		}
	}
	s.send(out[:n])
	return face
}

// goOnAfter tells the turns of a request, and answers those whose turn it is after it.
func (s *Session) goOnAfter(req []byte) {
	if s.turns.threads.Load() > 0 {
		if l := s.turns.used(req); l != nil {
			s.goOn(l)
		}
	}
}

// goOn answers who is next in a line, until it is somebody's turn.
func (s *Session) goOn(l *line) {
	buf := s.buffer()
	defer s.recycle(buf)
	for w := s.turns.next(l); w != nil; w = s.turns.next(l) {
		if !s.lookUp(w.req, w, *buf) {
			s.turns.vain(as[fuse.InHeader](w.req).Pid)
		}
	}
}

// expired is called when the turn in a line has lasted long.
func (s *Session) expired(l *line) {
	defer s.recoverFrom("looking up")
	select {
	case <-s.ended: // there may be no tree any more
		return
	default:
	}
	if s.turns.expire(l) {
		s.goOn(l)
	}
}

// hurry answers a LOOKUP that is parked and that somebody wants to interrupt.
func (s *Session) hurry(unique uint64, out []byte) {
	if w := s.turns.interrupt(unique); w != nil {
		s.lookUp(w.req, w, out)
	}
}
