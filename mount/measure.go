package mount

import (
	"bytes"
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
	s   *Session
	o   *openFile
	req []byte
}

// measure answers a GETATTR or STATX of such a file, and reports whether it is one.
func (s *Session) measure(req, out []byte) bool {
	h := as[fuse.InHeader](req)
	o := s.file(s.tree.Measured(h.NodeId))
	if o == nil {
		return false
	}
	g := o.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	m := measuring{s, o, req}
	n, err := m.Try(out[headerSize:])
	if !nodes.Waits(err) {
		s.answer(out, h.Unique, n, err)
		return true
	}
	m.req = bytes.Clone(req)
	g.wait(&parked{in: *h, op: &m, tried: true}, &g.probers, err, out)
	g.arm()
	return true
}

// leaveUnmeasured answers who waits for the length of a file that is being closed: whoever asks by a path
// that leads to somebody else's descriptor does not keep that open. The caller holds the gate's lock.
func (o *openFile) leaveUnmeasured(buf []byte) {
	var next *parked
	for p := o.gate.probers.first; p != nil; p = next {
		next = p.next
		if m, ok := p.op.(*measuring); ok && m.o == o {
			n, err := m.answer(buf[headerSize:])
			o.gate.end(p, n, err, buf)
		}
	}
}

// Try is nodes.Op's.
func (m *measuring) Try(buf []byte) (int, error) {
	if err := m.o.file.Measure(); err != nil {
		return 0, err
	}
	return m.answer(buf)
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
func (m *measuring) Stop(buf []byte, _ error) (int, error) {
	m.o.unprobe(m)
	return m.answer(buf)
}

func (*measuring) patience() time.Duration { return 0 }

func (*measuring) ended(error) {}
