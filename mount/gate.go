package mount

import (
	"sync"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// gate is where requests wait for one endpoint; only a LOOKUP waits elsewhere, for its turn (see turns). A
// request is tried at once in the goroutine that read it; if it would block, it parks here as plain data, and
// costs neither a goroutine nor a thread, and no buffer but for the message that a writer wants to send. When
// the endpoint becomes ready, parked requests are served in the order they came, until one would block.
// Whoever comes while others wait goes behind them.
type gate struct {
	s    *Session
	w    backends.Waiter
	wake func() // onReady, made once

	mu      sync.Mutex
	readers waiters
	writers waiters
	probers waiters // POLLs whose answer is on its way
	polls   *polls  // nil: nobody has polled yet

	armed  backends.Ready // what the endpoint was asked to tell of
	unsure int32          // how many of the parked came behind one whose answer was on its way
	refs   int32          // open files, and parked requests that have none; under Session.mu
}

// openFile is a message face the kernel has open. Many of them only wait: what most do not need is elsewhere.
type openFile struct {
	fh     uint64
	file   *nodes.File
	gate   *gate
	stats  *classStats // of the class of its object
	polled *polled     // nil: it was never polled
}

// polled is a file that the kernel has polled. It is in gate.polls while the kernel wants to hear of it
// (FUSE_POLL_SCHEDULE_NOTIFY).
type polled struct {
	file   *openFile
	kh     uint64         // its poll handle
	want   backends.Ready // asked for
	seen   backends.Ready // known to the kernel
	asleep backends.Ready // what its program waits for, as far as it shows: see waits
	since  time.Time      // when it began to
	at     int            // its place in gate.polls, from 1; 0: it is not in there
	marks  marks          // when seen was known
	late   *time.Timer    // tells pollers when the file's patience is over

	uid, gid, pid uint32 // who asked last
}

// onReady is called when the endpoint has become ready.
func (g *gate) onReady() {
	defer g.s.recoverFrom("serving parked requests")
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.armed = 0; g.polls != nil {
		g.polls.any = true
	}
	if g.readers.n+g.writers.n+g.probers.n == 0 {
		g.serve(nil) // it is for pollers alone
		return
	}
	buf := g.s.buffer()
	defer g.s.recycle(buf)
	g.serve(*buf)
}

// serve answers all parked requests that need not wait any more, tells the pollers, and arms the endpoint for
// the rest. buf is room for an answer. The caller holds g.mu.
func (g *gate) serve(buf []byte) {
	for g.serveLine(&g.readers, buf) || g.serveLine(&g.writers, buf) {
		// A message taken makes room for a writer, and the other way round.
	}
	g.serveLine(&g.probers, buf)
	g.tellPollers()
	g.arm()
}

// moved is called when a message went through in the direction that is ready now for the other side: In after
// a write, Out after a read. The caller holds g.mu.
func (g *gate) moved(dir backends.Ready, buf []byte) {
	polled := g.polls != nil && len(g.polls.all) > 0
	if g.readers.n+g.writers.n == 0 && !polled {
		return
	}
	if polled && dir == backends.In {
		g.polls.came()
	}
	g.serve(buf)
}

// serveLine answers requests from the head of a line and reports whether it answered any.
func (g *gate) serveLine(l *waiters, buf []byte) bool {
	served := false
	for p := l.first; p != nil; p = l.first {
		if !g.attempt(p, buf) {
			g.refuse(p, buf)
			break
		}
		served = true
	}
	return served
}

// refuse ends the requests behind the first in a line that must not wait, and came while it was not known
// whether they would have to: the first waits now. The others wait with it. The caller holds g.mu.
func (g *gate) refuse(first *parked, buf []byte) {
	if g.unsure == 0 || first.settles {
		return
	}
	var next *parked
	for p := first.next; p != nil; p = next {
		next = p.next
		switch {
		case !p.unsure:
		case p.nonblock:
			g.end(p, 0, syscall.EAGAIN, buf)
		default:
			g.sure(p)
			g.s.waiting.settle(p, false)
		}
	}
}

// arm asks the endpoint, or what else the first in a line waits for, to tell when it is worth trying again.
// The caller holds g.mu.
func (g *gate) arm() {
	var want backends.Ready
	for _, l := range [...]*waiters{&g.readers, &g.writers, &g.probers} {
		if p := l.first; p != nil {
			if w, dir := p.op.For(); w == g.w {
				want |= dir
			} else {
				w.Arm(dir, g.wake)
			}
		}
	}
	if ps := g.polls; ps != nil && ps.left == 0 {
		want |= ps.lacks & (ps.wants | always) // else the end of the round arms it: what is ready now would be told at once
	}
	g.armFor(want)
}

// armFor is arm for one more who waits.
func (g *gate) armFor(want backends.Ready) {
	if want&^g.armed == 0 {
		return
	}
	g.armed |= want
	g.w.Arm(g.armed, g.wake)
}

// rearm is arm after a panic: the call that it ended may have hushed the endpoint, or was to see to the
// requests that wait.
func (g *gate) rearm() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.armed = 0
	g.arm()
}

// A disarmer is a Waiter that can take back an Arm.
type disarmer interface{ Disarm() }

// hush is called before a message is moved that makes the endpoint ready for the other side. The caller
// serves the requests that wait for that, so the poller's thread need not wake up. It must call arm
// afterwards if any still wait. It holds g.mu.
func (g *gate) hush(dir backends.Ready) {
	if g.armed&dir == 0 {
		return
	}
	if w, ok := g.w.(disarmer); ok {
		w.Disarm()
		g.armed = 0
	}
}
