package mount

import (
	"runtime"
	"time"
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

// poll answers poll(2), select(2) and epoll_wait(2) on a file: what would not block now. A kernel that wants
// to hear of a change is told once. It then asks again, with the same poll handle.
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

// unprobe tells a file that op, which ends without the answer that it has asked for, waits no more for that,
// unless others do. Else what they waited for would be ready for ever, and whoever polls the file be told so
// again and again. The caller holds the gate's lock.
func (o *openFile) unprobe(op operation) {
	for p := o.gate.probers.first; p != nil; p = p.next {
		if p.op != op {
			return
		}
	}
	o.file.Unprobe()
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

// wakePoller has the kernel ask anew, for those who poll a file, what it is ready for.
func (s *Session) wakePoller(kh uint64) {
	var msg [headerSize + 8]byte
	*(*fuse.OutHeader)(unsafe.Pointer(&msg[0])) = fuse.OutHeader{Length: uint32(len(msg)), Status: notifyPoll}
	*(*uint64)(unsafe.Pointer(&msg[headerSize])) = kh
	s.send(msg[:])
}

func (s *Session) wakePollers(handles []uint64) {
	for _, kh := range handles {
		s.wakePoller(kh)
	}
}

// waits notes what a call that moves messages tells of the poller of its file: it is awake, unless the call
// found nothing (EAGAIN). Of poll(2) itself the kernel tells only that it begins. One that ended for another
// reason, another file or its time, is taken for waiting until its program moves a message or closes the
// file; one with EPOLLET is asked about once, and then waits whenever it is told EAGAIN. The caller holds the
// gate's lock. f nil: it was never polled.
func (ps *polls) waits(f *polled, dir backends.Ready, nothing bool) {
	if f == nil {
		return
	}
	if nothing {
		if f.seen &^= dir; f.at > 0 {
			ps.lacks |= dir & f.want
			ps.lack |= dir & f.want
		}
		if f.asleep == 0 {
			f.since = time.Now()
		}
		f.asleep |= dir & f.want
	} else {
		f.asleep &^= dir
	}
}

// Waiting tells of those who wait for an endpoint: requests that are parked, and files in poll(2).
func (s *Session) Waiting(w backends.Waiter) (all nodes.Waiting) {
	s.mu.RLock()
	g := s.gates[w]
	s.mu.RUnlock()
	if g == nil {
		return all
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	ps := g.polls
	for i := 0; ps != nil && i < len(ps.all); i++ {
		if i%maxWho == maxWho-1 { // whoever waits for the lock serves all others
			g.mu.Unlock()
			runtime.Gosched()
			if g.mu.Lock(); i >= len(ps.all) {
				break
			}
		}
		f := ps.all[i]
		asleep := f.asleep & f.file.file.Moves()
		if asleep&backends.In != 0 {
			all.Polling.Readers++
		}
		if asleep&backends.Out != 0 {
			all.Polling.Writers++
		}
		if asleep != 0 {
			by := nodes.Caller{Uid: f.uid, Gid: f.gid, Pid: int(f.pid)}
			all.Who = append(all.Who, nodes.Wait{By: by, Side: asleep & -asleep, In: "poll", Since: f.since})
		}
	}
	all.Parked = nodes.Sides{
		Readers: int(g.readers.n - g.readers.away), Writers: int(g.writers.n - g.writers.away),
	}
	all.Who = append(all.Who, who(&g.readers, backends.In)...)
	all.Who = append(all.Who, who(&g.writers, backends.Out)...)
	return all
}

// maxWho is how many of those who wait in a line are told one by one.
const maxWho = 256

// who are the first in a line.
func who(l *waiters, side backends.Ready) (all []nodes.Wait) {
	for p := l.first; p != nil && len(all) < maxWho; p = p.next {
		if p.settles {
			continue
		}
		by := nodes.Caller{Uid: p.in.Uid, Gid: p.in.Gid, Pid: int(p.in.Pid)}
		all = append(all, nodes.Wait{By: by, Side: side, In: opNames[p.in.Opcode], Since: p.since.time()})
	}
	return all
}
