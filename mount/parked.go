package mount

import (
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// parked is a request that waits. But for gate, its gate's lock guards it.
type parked struct {
	in       fuse.InHeader
	op       operation
	nonblock bool // it waits only for what is on its way
	tried    bool // the operation has begun
	answered bool // nobody waits for its answer any more
	guest    bool // it has no open file, and keeps its gate itself
	ahead    bool // it needs no room, and stands before those who wait for some
	settles  bool // it is on its way, and does not wait
	unsure   bool // it came behind one that was, and was not tried yet

	gate  atomic.Pointer[gate]
	since moment
	line  *waiters // nil once it has ended
	stops *stops   // nil: it waits for ever

	before, next *parked // in line
}

// stops say of a parked request how its wait ends before it is served.
type stops struct {
	why   error       // why it is to stop, when that was too late; nil: it is not
	timer *time.Timer // ends the wait of a file that is not so patient; nil: it waits for ever
}

// why is why it is to stop; nil: it is not.
func (p *parked) why() error {
	if p.stops == nil {
		return nil
	}
	return p.stops.why
}

// stopFor notes why it is to stop.
func (p *parked) stopFor(why error) {
	if p.stops == nil {
		p.stops = &stops{}
	}
	p.stops.why = why
}

// bytes are those of a message that it holds.
func (p *parked) bytes() int {
	if w, ok := p.op.(*writing); ok {
		return w.bytes
	}
	return 0
}

// moment is a time by the monotonic clock, from when the process began. To learn it costs one look at the
// clock, where time.Now looks twice.
type moment time.Duration

var epoch = time.Now()

func now() moment { return moment(time.Since(epoch)) }

// time is when that was by the clock as it is set now: it may have been set since the process began, or the
// machine have slept, which the monotonic clock does not count. Of that whole seconds count, so that it is
// the same whenever it is asked for, and a status that tells of it does not change by itself.
func (m moment) time() time.Time {
	set := time.Now().Round(0).Sub(epoch.Round(0)) - time.Since(epoch)
	return epoch.Round(0).Add(time.Duration(m) + set.Round(time.Second))
}

// waiters are requests in the order they came. Their places are in themselves, as many wait for each
// message anew.
type waiters struct {
	first, last *parked
	n           int32
	away        int32 // of them, those that are on their way and do not wait
}

func (l *waiters) push(p *parked) {
	if p.line, p.before = l, l.last; l.last == nil {
		l.first = p
	} else {
		l.last.next = p
	}
	l.last = p
	l.counts(p, 1)
}

func (l *waiters) counts(p *parked, n int32) {
	if l.n += n; p.settles {
		l.away += n
	}
}

// pushAhead is push before all that are not ahead.
func (l *waiters) pushAhead(p *parked) {
	next := l.first
	for next != nil && next.ahead {
		next = next.next
	}
	if next == nil {
		l.push(p)
		return
	}
	if p.line, p.before, p.next = l, next.before, next; p.before == nil {
		l.first = p
	} else {
		p.before.next = p
	}
	next.before = p
	l.counts(p, 1)
}

func (l *waiters) remove(p *parked) {
	if p.before == nil {
		l.first = p.next
	} else {
		p.before.next = p.next
	}
	if p.next == nil {
		l.last = p.before
	} else {
		p.next.before = p.before
	}
	p.line, p.before, p.next = nil, nil, nil
	l.counts(p, -1)
}

// attempt tries a parked request again and reports whether it has left its line.
func (g *gate) attempt(p *parked, buf []byte) bool {
	n, err := p.op.Try(buf[headerSize:])
	g.s.waiting.settle(p, err == backends.ErrUnsettled)
	p.tried = true
	g.sure(p)
	if err == backends.ErrWouldBlock && p.nonblock && p.why() == nil {
		p.stopFor(err)
	}
	if err == backends.ErrWouldBlock && p.why() != nil {
		if n, err = p.op.Stop(buf[headerSize:], p.why()); err == backends.ErrWouldBlock {
			err = syscall.EAGAIN
		}
	}
	if !nodes.Waits(err) {
		g.end(p, n, err, buf)
		return true
	}
	if w, _ := p.op.For(); w != g.w && p.guest {
		return g.pass(p, w)
	}
	return false
}

// pass hands a request with no open file on to the gate of what it waits for now, when what it waited for was
// a task of its own, and reports whether it was. Nobody else comes to the gate of a task. The caller holds
// g.mu; the other gate's lock is taken after it.
func (g *gate) pass(p *parked, w backends.Waiter) bool {
	if _, own := g.w.(*backends.Task); !own {
		return false
	}
	p.line.remove(p)
	to := g.s.join(w)
	g.s.leave(g)
	to.mu.Lock()
	defer to.mu.Unlock()
	p.gate.Store(to)
	to.readers.push(p)
	to.arm()
	return true
}

// wait parks a request in a line after a try that answered err, one of the two that an operation waits after,
// or ends it: one that must not wait, or whose user has too many waiting. buf is room for an answer. The
// caller holds g.mu, and arms the gate.
func (g *gate) wait(p *parked, l *waiters, err error, buf []byte) {
	settles := err == backends.ErrUnsettled
	if settles || !p.nonblock {
		errno := g.park(p, l, settles, false)
		if errno == 0 {
			return
		}
		err = errno
	}
	n, err := p.stop(buf, err)
	if err == backends.ErrUnsettled {
		g.park(p, l, true, true)
		return
	}
	if !goesOn(err) {
		g.s.note(&p.in, err)
		g.s.answer(buf, p.in.Unique, n, err)
	}
	p.op.ended(err)
	if p.guest {
		g.s.leave(g)
	}
}

// stop is Stop of the operation, if it has begun.
func (p *parked) stop(buf []byte, why error) (int, error) {
	if !p.tried {
		return 0, why
	}
	return p.op.Stop(buf[headerSize:], why)
}

// park puts a request at the end of a line, or refuses it, unless it must, if its user has too many waiting.
// The caller holds g.mu.
func (g *gate) park(p *parked, l *waiters, settles, must bool) syscall.Errno {
	// Once it is among the waiting, a cancel waits for g.mu, and then finds it in line, or in none.
	p.gate.Store(g)
	p.since, p.settles = g.s.timeline.since(p.in.Unique, now()), settles
	if p.ahead {
		l.pushAhead(p)
	} else {
		l.push(p)
	}
	if errno := g.s.waiting.add(p, must); errno != 0 {
		l.remove(p)
		return errno
	}
	if p.unsure = settles && !p.tried; p.unsure {
		g.unsure++
	}
	if d := p.op.patience(); d > 0 {
		p.stops = &stops{timer: time.AfterFunc(d, func() { p.cancel(syscall.ETIMEDOUT) })}
	}
	return 0
}

// sure is called when it is known of a request whether it waits. The caller holds g.mu.
func (g *gate) sure(p *parked) {
	if p.unsure {
		p.unsure = false
		g.unsure--
	}
}

// end answers a request that has ended. The caller holds g.mu.
func (g *gate) end(p *parked, n int, err error, buf []byte) {
	g.sure(p)
	p.line.remove(p)
	if p.stops != nil && p.stops.timer != nil {
		p.stops.timer.Stop()
	}
	g.s.waiting.remove(p)
	if !goesOn(err) {
		g.s.note(&p.in, err)
		if !p.answered {
			p.waited(n, err, buf)
			g.s.answer(buf, p.in.Unique, n, err)
		}
	}
	p.op.ended(err)
	if p.guest {
		g.s.leave(g)
	}
}

// goesOn tells the errors with which a request ends here that others answer.
func goesOn(err error) bool { return err == errLeft || err == errAside }

// cancel ends the wait of p with errno, unless it was answered meanwhile or is past taking back: then its end
// is near, and its answer.
func (p *parked) cancel(errno syscall.Errno) {
	g := p.gate.Load()
	g.mu.Lock()
	for g != p.gate.Load() { // it was handed on
		g.mu.Unlock()
		g = p.gate.Load()
		g.mu.Lock()
	}
	defer g.mu.Unlock()
	if p.line == nil {
		return
	}
	var room [headerSize + 512]byte
	n, err := p.stop(room[:], errno)
	if err == backends.ErrUnsettled {
		p.stopFor(errno)
		return
	}
	l := p.line
	g.end(p, n, err, room[:])
	switch {
	case l.first == nil:
	case l.first.tried:
		g.arm() // p may have waited for a task, of which the next is not told
	default:
		buf := g.s.buffer() // the next has waited for the end of p alone
		defer g.s.recycle(buf)
		g.serve(*buf)
	}
}
