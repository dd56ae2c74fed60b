package mount

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// lookup answers a LOOKUP, or parks it until it is its thread's turn.
func (s *Session) lookup(req, out []byte) {
	if s.turns.threads.Load() == 0 || !s.turns.park(req) {
		s.lookUp(req, nil, out)
	}
}

// lookUp answers a LOOKUP, and reports whether it is of a message face: then it is its thread's turn. w is
// the LOOKUP if it was parked.
func (s *Session) lookUp(req []byte, w *lookup, out []byte) (face bool) {
	n, status := s.protocol.HandleRequest([][]byte{req}, [][]byte{out})
	if !status.Ok() {
		s.answer(out, as[fuse.InHeader](req).Unique, 0, syscall.Errno(status))
		return false
	}
	face = s.lookedUp(req, w, out)
	s.send(out[:n])
	return face
}

// lookedUp tells the turns of the answer to a LOOKUP, and reports whether that is a message face.
func (s *Session) lookedUp(req []byte, w *lookup, answer []byte) bool {
	if as[fuse.OutHeader](answer).Status != 0 {
		return false
	}
	node := as[fuse.EntryOut](answer[headerSize:]).NodeId
	name, face := s.tree.Face(node)
	if face {
		s.turns.told(as[fuse.InHeader](req), name, node, w)
	}
	return face
}

// lookedUpAside has workers answer a LOOKUP that was parked, if it may have to wait for a lock in the kernel,
// and reports whether that is so. Whoever comes to answer it has other things to do, and each of those that
// wait for the lock would take a thread (see late).
func (s *Session) lookedUpAside(w *lookup, out []byte) bool {
	if !s.tree.Lockable(as[fuse.InHeader](w.req).NodeId) {
		return false
	}
	s.setLookupAside(w, out)
	return true
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
		if w.answer != nil {
			w.answer.give()
			continue // until it is given, it is its thread's turn
		}
		if !s.lookedUpAside(w, *buf) && !s.lookUp(w.req, w, *buf) {
			s.turns.vain(as[fuse.InHeader](w.req).Pid)
		}
		if s.turns.went(w) {
			s.interrupted(as[fuse.InHeader](w.req).Unique, *buf) // the kernel tells it once
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
	w := s.turns.interrupt(unique)
	if w == nil {
		return
	}
	if !s.lookedUpAside(w, out) {
		s.lookUp(w.req, w, out)
	} else if p := s.waiting.get(unique); p != nil {
		s.interrupt(p) // the kernel tells it once
	}
}
