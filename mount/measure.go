package mount

import (
	"bytes"
	"errors"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// measuring is a GETATTR or STATX of a control file that is open and shows a text. Its length is that of the
// text, which has to be made for that: programs that copy a file read as much as fstat(2) has told them, and
// some go on until they have it (ctl_size.txtar).
type measuring struct {
	s       *Session
	o       *openFile
	req     []byte
	stopped bool // it was interrupted
}

// errAside ends the wait of a request that workers go on with (measuring.ended).
var errAside = errors.New("workers answer")

// measure takes up a GETATTR or STATX of such a file, if its text is to be made or it may take long, and
// reports whether it did.
func (s *Session) measure(req, out []byte) bool {
	h := as[fuse.InHeader](req)
	o := s.file(s.measured(req))
	if o == nil {
		return false
	}
	g := o.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	err := o.file.Measure()
	if !nodes.Waits(err) {
		workers, far := s.tells(h)
		if workers == nil {
			return false
		}
		s.setAside(req, far, workers, out)
		return true
	}
	m := &measuring{s: s, o: o, req: bytes.Clone(req)}
	g.wait(&parked{in: *h, op: m, tried: true}, &g.probers, err, out)
	g.arm()
	return true
}

// measured is the number of the open file that a request is to measure, or 0. Nothing that comes later is to
// overtake it: no close of that file, and no other request that makes an openFile of it (TestHot).
func (s *Session) measured(req []byte) uint64 {
	switch h := as[fuse.InHeader](req); h.Opcode {
	case opGetattr, opStatx:
		return s.tree.Measured(h.NodeId)
	}
	return 0
}

// leaveUnmeasured answers who waits for the length of a file that is being closed: whoever asks by a path
// that leads to somebody else's descriptor does not keep that open. The caller holds the gate's lock.
func (o *openFile) leaveUnmeasured(buf []byte) {
	var next *parked
	for p := o.gate.probers.first; p != nil; p = next {
		next = p.next
		if m, ok := p.op.(*measuring); ok && m.o == o {
			n, err := m.settled(buf[headerSize:])
			o.gate.end(p, n, err, buf)
		}
	}
}

// Try is nodes.Op's.
func (m *measuring) Try(buf []byte) (int, error) {
	if err := m.o.file.Measure(); err != nil {
		return 0, err
	}
	m.o.unprobe(m) // where the text was read meanwhile, it did not need what it has asked for
	return m.settled(buf)
}

// settled is the answer, or errAside if it may take long: whoever comes to give it has other things to do
// (stat_locked.txtar).
func (m *measuring) settled(buf []byte) (int, error) {
	if workers, _ := m.s.tells(as[fuse.InHeader](m.req)); workers != nil {
		return 0, errAside
	}
	return m.answer(buf)
}

// tells are the workers for what the tree tells of a file, and whether that is kept elsewhere; nil: it takes
// a moment.
func (s *Session) tells(h *fuse.InHeader) (w *backends.Workers, far bool) {
	if there := s.tree.Elsewhere(h, ""); there != nil {
		return there, true
	}
	if s.tree.Lockable(h.NodeId) {
		return s.late.workers, false
	}
	return nil, false
}

// answer is what the tree tells.
func (m *measuring) answer(buf []byte) (int, error) {
	out := m.s.buffer()
	defer m.s.recycle(out)
	n, status := m.s.protocol.HandleRequest([][]byte{m.req}, [][]byte{*out})
	if !status.Ok() {
		return 0, syscall.Errno(status)
	}
	if errno := syscall.Errno(-as[fuse.OutHeader](*out).Status); errno != 0 {
		return 0, errno
	}
	m.s.keepLength(m.req, (*out)[:n])
	return copy(buf, (*out)[headerSize:n]), nil
}

// For is nodes.Op's.
func (m *measuring) For() (backends.Waiter, backends.Ready) { return m.o.file.Waiter(), backends.In }

// Stop is nodes.Op's: programs know no EINTR from fstat(2). They are told of whole pages.
func (m *measuring) Stop(buf []byte, why error) (int, error) {
	m.o.unprobe(m)
	if why == errLeft {
		return 0, why
	}
	m.stopped = true
	return m.settled(buf)
}

func (*measuring) patience() time.Duration { return 0 }

func (m *measuring) ended(err error) {
	if err != errAside {
		return
	}
	buf := m.s.buffer()
	defer m.s.recycle(buf)
	workers, far := m.s.tells(as[fuse.InHeader](m.req))
	m.s.setAside(m.req, far, workers, *buf)
	if p := m.s.waiting.get(as[fuse.InHeader](m.req).Unique); p != nil && m.stopped {
		m.s.interrupt(p) // the kernel tells it once
	}
}
