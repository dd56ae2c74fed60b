package mount

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/nodes"
)

// A mount outlives its process if another one goes on with it. HandOver ends the session at the boundary of
// two requests, and Tree.Tables writes down what the kernel knows of the tree. The other process has the
// device, and makes a Tree and a Session of what both wrote. Programs notice nothing (TestHandOver).

var (
	// ErrHandedOver is what Serve returns after HandOver.
	ErrHandedOver = errors.New("another process goes on with the mount")
	// ErrNoResend says that the kernel cannot bring a request twice: those who wait would wait for ever.
	ErrNoResend = errors.New("the kernel has no FUSE_NOTIFY_RESEND, Linux 6.9 has")
	// ErrSettled says that this program would have settled other things with the kernel than the program that
	// had the mount before.
	ErrSettled = errors.New("the mount was made by a program that cannot be taken over from")
)

// errLeft ends a request here that another process answers: the kernel brings it again. No program ever sees
// it.
const errLeft = syscall.ERESTART

// negotiated is the INIT request with which the connection began, and its answer. What they settle holds as
// long as the mount does.
type negotiated struct {
	request, answer []byte
	mountpoint      string
	connection      int // see Session.Connection
}

// sessionVersion is what the record of a session begins with. It changes with the record.
const sessionVersion = 0x6970636673_0003

func (n *negotiated) code(c *nodes.Coder) {
	version := uint64(sessionVersion)
	if nodes.Number(c, &version); version != sessionVersion {
		c.Refuse()
	}
	c.Bytes(&n.request)
	c.Bytes(&n.answer)
	c.Text(&n.mountpoint)
	nodes.Number(c, &n.connection)
}

// Form is a number that is another one when the size of any record is that another process goes on from.
func Form() uint64 { return fs.Form(new(negotiated).code, new(part).code) }

// negotiate notes an INIT and its answer.
func (s *Session) negotiate(req, answer []byte) {
	s.settled.request, s.settled.answer = bytes.Clone(req), bytes.Clone(answer[headerSize:])
	s.minor.Store(as[fuse.InitIn](req).Minor)
}

// HandOver stops taking requests, once the session is live, and returns what a session in another process
// goes on with (Options.Device, Options.Session). It waits for requests that are on their way, until they are
// answered. Those that wait are left, and those that nobody has read: the kernel brings them to the next
// session. Call Tree.Tables next, and then end the process: close neither the tree nor the session.
func (s *Session) HandOver() (device int, session []byte, err error) {
	<-s.live
	if !s.Resends() {
		return -1, nil, ErrNoResend
	}
	s.handed.Store(true)
	s.end.Do(func() { close(s.ended) })
	s.nudge()
	s.workers.Wait()
	s.waiting.end(errLeft)
	s.waiting.drained()
	return s.dev.fd, nodes.Encode(s.settled.code), nil
}

// Leave stops taking requests, once the session is live, at a moment when none is half done, for another
// process that goes on from the ledger. End the process next: close neither the tree nor the session. What
// takes longer than limit is done once more by the other process, as if this one had been killed.
func (s *Session) Leave(limit time.Duration) {
	<-s.live
	s.handed.Store(true)
	s.end.Do(func() { close(s.ended) })
	s.nudge()
	quiet := make(chan struct{})
	go func() {
		defer close(quiet)
		s.workers.Wait()
		s.waiting.settled(limit)
		s.mu.RLock()
		gates := slices.Collect(maps.Values(s.gates))
		s.mu.RUnlock()
		for _, g := range gates {
			g.mu.Lock() // for good: what waits there moves no more
		}
	}()
	select {
	case <-quiet:
	case <-time.After(limit):
	}
}

// Resends reports whether the kernel can bring a request twice, once the session is live: else no other
// process can go on with the mount.
func (s *Session) Resends() bool {
	return as[fuse.InitIn](s.settled.request).Flags64()&fuse.CAP_HAS_RESEND != 0
}

// nudge has the goroutine that reads requests return from its read(2): the kernel makes a request of what it
// has in the page cache of the root, which is nothing (FUSE_NOTIFY_RETRIEVE). If it comes too late, it comes
// to the next session, which heeds it as little. Some kernels refuse, as the root is no file (Linux 6.18.44:
// EINVAL): then the goroutine returns when the next request comes.
func (s *Session) nudge() {
	const fixed = int(unsafe.Sizeof(fuse.NotifyRetrieveOut{}))
	var msg [headerSize + fixed]byte
	*as[fuse.OutHeader](msg[:]) = fuse.OutHeader{Length: uint32(len(msg)), Status: notifyRetrieve}
	*as[fuse.NotifyRetrieveOut](msg[headerSize:]) = fuse.NotifyRetrieveOut{Nodeid: fuse.FUSE_ROOT_ID}
	_ = s.dev.write(msg[:])
}

// takeOver reads what HandOver wrote.
func (s *Session) takeOver(b []byte) error {
	if err := nodes.Decode(b, s.settled.code); err != nil {
		return fmt.Errorf("%w: %w", ErrSettled, err)
	}
	in := as[fuse.InitIn](s.settled.request)
	if in == nil || malformed(s.settled.request) || in.Opcode != opInit {
		return ErrSettled
	}
	s.o.Mountpoint = s.settled.mountpoint
	return s.replay()
}

// replay has go-fuse answer the INIT once more. The kernel goes by the answer that it got.
func (s *Session) replay() error {
	out := s.buffer()
	defer s.recycle(out)
	n, status := s.protocol.HandleRequest([][]byte{bytes.Clone(s.settled.request)}, [][]byte{*out})
	if !status.Ok() || n < headerSize || !bytes.Equal((*out)[headerSize:n], s.settled.answer) {
		return ErrSettled
	}
	s.minor.Store(as[fuse.InitIn](s.settled.request).Minor)
	return nil
}

// releaseOf is a RELEASE of an open file that an earlier process has answered, in the name of whoever opened
// it. It has a number that no other request has, by which it can wait beside others.
func releaseOf(h fs.Handle) fuse.ReleaseIn {
	in := fuse.ReleaseIn{Fh: h.Num}
	in.Opcode, in.Length, in.Unique = opRelease, uint32(unsafe.Sizeof(in)), closing|h.Num
	in.Uid, in.Gid, in.Pid = h.Uid, h.Gid, h.Pid
	return in
}

// goOnServing sees to those who wait since an earlier session. All who are in poll(2) are woken, and ask
// anew. What closed files have left is sent. The kernel brings all requests again that have no answer. Their
// numbers have bit 63 set then, and the answers must have it too: a number is answered as it came.
func (s *Session) goOnServing() {
	polled, closed := s.tree.Unfinished()
	resumed := s.buffer()
	s.goOnFromDesks(*resumed)
	s.recycle(resumed)
	s.wakePollers(polled)
	out := s.buffer()
	defer s.recycle(out)
	s.goOnClosing()
	for _, h := range closed { // the kernel knows no more of them
		if s.file(h.Num) == nil {
			continue
		}
		in := releaseOf(h)
		if !s.release(bytesOf(&in), true, *out) {
			s.tree.Release(nil, &in)
		}
	}
	var msg [headerSize]byte
	*as[fuse.OutHeader](msg[:]) = fuse.OutHeader{Length: uint32(len(msg)), Status: notifyResend}
	s.send(msg[:])
	if s.ledger != nil {
		s.answerAgain(*out)
	}
}
