package mount

import (
	"syscall"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// malformed reports whether a request is not as long as it says, or too short for what it is. It is for
// requests that the session looks into before or instead of go-fuse, which looks at the others itself. The
// kernel makes no such request. What was passed as the device may be something else (Options.Device), and
// must not end the daemon, and with it all waits (TestMalformed, FuzzRequest).
func malformed(req []byte) bool {
	h := as[fuse.InHeader](req)
	if h == nil || int64(h.Length) != int64(len(req)) {
		return true
	}
	switch h.Opcode {
	case opGetattr:
		return as[fuse.GetAttrIn](req) == nil
	case opOpen:
		return as[fuse.OpenIn](req) == nil
	case opRead:
		return as[fuse.ReadIn](req) == nil
	case opWrite:
		in := as[fuse.WriteIn](req)
		return in == nil || uint64(in.Size) != uint64(len(req))-uint64(unsafe.Sizeof(*in))
	case opRelease:
		return as[fuse.ReleaseIn](req) == nil
	case opInterrupt:
		return as[fuse.InterruptIn](req) == nil
	case opSetlkw:
		return as[fuse.LkIn](req) == nil
	case opPoll:
		return as[pollIn](req) == nil
	}
	return false
}

// refuse answers a malformed request, if it can be told which one it is and it is one that is answered.
func (s *Session) refuse(req, out []byte) {
	h := as[fuse.InHeader](req)
	if h == nil {
		s.log.Error("a request without a header", "bytes", len(req))
		return
	}
	s.log.Error("a malformed request", "opcode", h.Opcode, "bytes", len(req), "length", h.Length)
	switch h.Opcode {
	case opForget, opBatchForget, opInterrupt:
	default:
		s.answer(out, h.Unique, 0, syscall.EIO)
	}
}
