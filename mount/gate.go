package mount

import (
	"container/list"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// gate is where requests wait for one endpoint: the only place in ipcfs where anything waits. A request is tried at once in the
// goroutine that read it; if it would block, it parks here as plain data, costing neither a goroutine nor a thread nor a buffer.
// When the endpoint becomes ready, parked requests are served in the order they came, until one would block. Whoever comes while others
// wait goes behind them.
type gate struct {
	s    *Session
	w    backends.Waiter
	wake func() // onReady, made once
	refs int    // open files and parked opens; under Session.mu

	mu      sync.Mutex
	readers list.List         // of *parked
	writers list.List         // of *parked
	polls   map[uint64]*watch // by the kernel's poll handle
	armed   backends.Ready    // what the endpoint was asked to tell of
}

// openFile is a message face the kernel has open.
type openFile struct {
	fh    uint64
	file  *nodes.File
	gate  *gate
	kh    uint64 // its poll handle, if it was ever polled
	watch watch  // in gate.polls while the kernel wants to hear of it
}

// parked is a request that waits.
type parked struct {
	in       fuse.InHeader
	op       operation
	nonblock bool // it waits only for what is on its way
	tried    bool // the operation has begun
	answered bool // nobody waits for its answer any more
	bytes    int  // of a message that it holds

	since   time.Time
	gate    *gate
	line    *list.List    // nil once it has ended
	at      *list.Element // its place in line
	settles bool          // it is on its way, and does not wait
	timer   *time.Timer   // ends the wait of a file that is not so patient
}

// watch is a file that the kernel wants to hear of (FUSE_POLL_SCHEDULE_NOTIFY).
type watch struct {
	file *openFile
	want backends.Ready // asked for
	seen backends.Ready // known to the kernel
}

// onReady is called when the endpoint has become ready.
func (g *gate) onReady() {
	buf := g.s.buffer()
	defer g.s.recycle(buf)
	defer g.s.recoverFrom("serving parked requests")
	g.mu.Lock()
	defer g.mu.Unlock()
	g.armed = 0
	g.serve(*buf)
}

// serve answers all parked requests that need not wait any more, tells the pollers, and arms the endpoint for the rest. buf is room
// for an answer. The caller holds g.mu.
func (g *gate) serve(buf []byte) {
	for g.serveLine(&g.readers, buf) || g.serveLine(&g.writers, buf) {
		// A message taken makes room for a writer, and the other way round.
	}
	g.tellPollers()
	g.arm()
}

// moved is called when a message went through in the direction that is ready now for the other side: In after a write, Out after a
// read. The caller holds g.mu.
func (g *gate) moved(dir backends.Ready, buf []byte) {
	if dir == backends.In {
		for _, w := range g.polls {
			w.seen &^= backends.In // an edge, even for one who has not taken the message before
		}
	}
	if g.readers.Len() > 0 || g.writers.Len() > 0 || len(g.polls) > 0 {
		g.serve(buf)
	}
}

// serveLine answers requests from the head of a line and reports whether it answered any.
func (g *gate) serveLine(line *list.List, buf []byte) bool {
	served := false
	for at := line.Front(); at != nil; at = line.Front() {
		if !g.attempt(at.Value.(*parked), buf) {
			break
		}
		served = true
	}
	return served
}

// attempt tries a parked request again and reports whether it has ended.
func (g *gate) attempt(p *parked, buf []byte) bool {
	n, err := p.op.Try(buf[headerSize:])
	g.s.waiting.settle(p, err == backends.ErrUnsettled)
	p.tried = true
	if err == backends.ErrWouldBlock && p.nonblock {
		if n, err = p.op.Stop(buf[headerSize:], err); err != backends.ErrUnsettled {
			g.end(p, n, err, buf)
			return true
		}
	}
	if nodes.Waits(err) {
		return false
	}
	g.end(p, n, err, buf)
	return true
}

// wait parks a request after a try that answered err, one of the two that an operation waits after, or ends it: one that must not wait,
// or whose user has too many waiting. buf is room for an answer. The caller holds g.mu, and arms the gate.
func (g *gate) wait(p *parked, err error, buf []byte) {
	settles := err == backends.ErrUnsettled
	if settles || !p.nonblock {
		errno := g.park(p, settles, false)
		if errno == 0 {
			return
		}
		err = errno
	}
	n, err := p.stop(buf, err)
	if err == backends.ErrUnsettled {
		g.park(p, true, true)
		return
	}
	g.s.note(&p.in, err)
	g.s.answer(buf, p.in.Unique, n, err)
	p.op.ended(err)
}

// stop is Stop of the operation, if it has begun.
func (p *parked) stop(buf []byte, why error) (int, error) {
	if !p.tried {
		return 0, why
	}
	return p.op.Stop(buf[headerSize:], why)
}

// park puts a request at the end of the line for what it waits for, or refuses it, unless it must, if its user has too many waiting. The
// caller holds g.mu.
func (g *gate) park(p *parked, settles, must bool) syscall.Errno {
	// Once it is among the waiting, whoever cancels it waits for g.mu and then finds it in line, or in none.
	p.gate, p.since, p.line = g, time.Now(), &g.readers
	if _, dir := p.op.For(); dir&backends.Out != 0 {
		p.line = &g.writers
	}
	p.at = p.line.PushBack(p)
	if errno := g.s.waiting.add(p, must); errno != 0 {
		p.line.Remove(p.at)
		p.line, p.at = nil, nil
		return errno
	}
	g.s.waiting.settle(p, settles)
	if d := p.op.patience(); d > 0 {
		p.timer = time.AfterFunc(d, func() { g.cancel(p, syscall.ETIMEDOUT) })
	}
	return 0
}

// end answers a request that has ended. The caller holds g.mu.
func (g *gate) end(p *parked, n int, err error, buf []byte) {
	p.line.Remove(p.at)
	p.line, p.at = nil, nil
	if p.timer != nil {
		p.timer.Stop()
	}
	g.s.waiting.remove(p)
	g.s.note(&p.in, err)
	if !p.answered {
		g.s.answer(buf, p.in.Unique, n, err)
	}
	p.op.ended(err)
}

// cancel ends the wait of p with errno, unless it was answered meanwhile or is past taking back: then its end is near, and its answer.
func (g *gate) cancel(p *parked, errno syscall.Errno) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.line == nil {
		return
	}
	buf := g.s.buffer()
	defer g.s.recycle(buf)
	n, err := p.stop(*buf, errno)
	if err == backends.ErrUnsettled {
		return
	}
	line := p.line
	g.end(p, n, err, *buf)
	if at := line.Front(); at != nil && !at.Value.(*parked).tried {
		g.serve(*buf) // it waited for the end of p alone
	}
}

// arm asks the endpoint, or what else the first in a line waits for, to tell when it is worth trying again. The caller holds g.mu.
func (g *gate) arm() {
	var want backends.Ready
	for _, line := range []*list.List{&g.readers, &g.writers} {
		if at := line.Front(); at != nil {
			if w, dir := at.Value.(*parked).op.For(); w == g.w {
				want |= dir
			} else {
				w.Arm(dir, g.wake)
			}
		}
	}
	for _, w := range g.polls {
		want |= w.want &^ w.seen
	}
	if want&^g.armed == 0 {
		return
	}
	g.armed |= want
	g.w.Arm(g.armed, g.wake)
}

// rearm is arm after a panic: whoever was interrupted may have hushed the endpoint, or was to see to those who wait.
func (g *gate) rearm() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.armed = 0
	g.arm()
}

// A disarmer is a Waiter that can take back an Arm.
type disarmer interface{ Disarm() }

// hush is called before a message is moved that makes the endpoint ready for the other side: whoever waits for that is served by who
// calls, so the poller's thread need not wake up for it. After that arm must be called if anybody still waits. The caller holds g.mu.
func (g *gate) hush(dir backends.Ready) {
	if g.armed&dir == 0 {
		return
	}
	if w, ok := g.w.(disarmer); ok {
		w.Disarm()
		g.armed = 0
	}
}
