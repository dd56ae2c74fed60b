package mount

import (
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// What poll(2) calls normal data; x/sys does not name them.
const (
	pollRdNorm = 0x40
	pollWrNorm = 0x100
)

// poll answers poll(2), select(2) and epoll_wait(2) on a file: what would not block now, and, if the kernel
// wants to hear of a change, a watch that lasts until it was told once. It then asks again, with the same
// poll handle.
func (s *Session) poll(req, buf []byte) {
	in := as[pollIn](req)
	o := s.file(in.Fh)
	if o == nil {
		n := putPoll(buf[headerSize:], unix.POLLIN|unix.POLLOUT) // addressed bytes never wait
		s.answer(buf, in.Unique, n, nil)
		return
	}
	g := o.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	p := polling{o, *in}
	n, err := p.Try(buf[headerSize:])
	if !nodes.Waits(err) {
		s.answer(buf, in.Unique, n, err)
		return
	}
	later := p
	g.wait(&parked{in: in.InHeader, op: &later, tried: true}, &g.probers, err, buf)
	g.arm()
}

// putPoll writes the answer to a POLL and returns its length.
func putPoll(buf []byte, ready backends.Ready) int {
	if ready&backends.In != 0 {
		ready |= pollRdNorm
	}
	if ready&backends.Out != 0 {
		ready |= pollWrNorm
	}
	*(*[2]uint32)(unsafe.Pointer(&buf[0])) = [2]uint32{uint32(ready), 0}
	return 8
}

// tellPollers wakes those whose file has become ready for something they do not know of. What was ready and
// is not any more will be news when it is again. The caller holds g.mu.
func (g *gate) tellPollers() {
	for kh, w := range g.polls {
		ready := w.file.file.Ready()
		w.seen &= ready
		if (ready&^w.seen)&(w.want|backends.Err|backends.Hup) == 0 {
			continue
		}
		delete(g.polls, kh)
		var msg [headerSize + 8]byte
		*(*fuse.OutHeader)(unsafe.Pointer(&msg[0])) = fuse.OutHeader{Length: uint32(len(msg)), Status: notifyPoll}
		*(*uint64)(unsafe.Pointer(&msg[headerSize])) = kh
		g.s.send(msg[:])
	}
}
