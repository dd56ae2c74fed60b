package mount

import (
	"container/list"
	"sync"
	"syscall"
	"time"

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
	unique uint64
	uid    uint32
	since  time.Time
	gate   *gate
	line   *list.List    // nil once it was answered
	at     *list.Element // its place in line

	file    *openFile   // nil: an OPEN, whose request is data
	size    int         // READ: how much
	off     int64       // READ: where
	data    []byte      // WRITE: what is still to be sent
	bytes   int         // what data counts for
	release []byte      // RELEASE, answered already, of a file that has something left to send
	timer   *time.Timer // ends the wait of a file that is not so patient
	done    int         // WRITE: how much of a stream was sent already
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

// attempt tries a parked request again and reports whether it was answered.
func (g *gate) attempt(p *parked, buf []byte) bool {
	if p.file == nil {
		return g.s.retryOpen(p, buf)
	}
	if p.release != nil {
		err := p.file.file.Finish()
		if err == backends.ErrWouldBlock {
			return false
		}
		g.endRelease(p, err, buf)
		return true
	}
	if p.line == &g.readers {
		n, err := g.read(p.file, buf[headerSize:], p.size, p.off)
		if err == backends.ErrWouldBlock {
			return false
		}
		g.unpark(p)
		g.s.tree.Note(err)
		g.s.answer(buf, p.unique, n, err)
		return true
	}
	n, err := p.file.file.Write(p.data)
	p.done += n
	if err == backends.ErrWouldBlock || err == nil && n < len(p.data) {
		p.data = p.data[n:]
		return false
	}
	g.unpark(p)
	g.s.tree.Note(err)
	g.s.answerWrite(buf, p.unique, p.done, err)
	return true
}

// read reads for one request. If the file gives as much as there is, and others wait to write more than there was room for, they go on
// as room is made, so that the answer gets that too: else a queue of ten messages would take a request for every ten
// (TestLinesInOneRead). It does not take from readers who wait behind. The caller holds g.mu.
func (g *gate) read(o *openFile, buf []byte, size int, off int64) (int, error) {
	n, err := o.file.Read(buf, size, off)
	for err == nil && n > 0 && g.writers.Len() > 0 && g.readers.Len() <= 1 {
		spare := g.s.buffer()
		g.serveLine(&g.writers, *spare)
		g.s.recycle(spare)
		more := o.file.More(buf, size, n)
		if more == n {
			break
		}
		n = more
	}
	return n, err
}

// park puts a request at the end of a line, or refuses it if its user has too many waiting. The caller holds g.mu and arms the gate.
func (g *gate) park(p *parked, line *list.List) syscall.Errno {
	// Once it is among the waiting, whoever cancels it waits for g.mu and then finds it in line, or in none.
	p.gate, p.since, p.line = g, time.Now(), line
	p.at = line.PushBack(p)
	if errno := g.s.waiting.add(p); errno != 0 {
		line.Remove(p.at)
		p.line, p.at = nil, nil
		return errno
	}
	if p.file != nil && p.line == &g.readers {
		if d := p.file.file.Patience(); d > 0 {
			p.timer = time.AfterFunc(d, func() { g.cancel(p, syscall.ETIMEDOUT) })
		}
	}
	return 0
}

// unpark takes a request out of its line; it is about to be answered. The caller holds g.mu.
func (g *gate) unpark(p *parked) {
	p.line.Remove(p.at)
	p.line, p.at = nil, nil
	if p.timer != nil {
		p.timer.Stop()
	}
	g.s.waiting.remove(p)
}

// endRelease closes a file that had something left to send. The caller holds g.mu.
func (g *gate) endRelease(p *parked, err error, buf []byte) {
	g.unpark(p)
	g.s.finished(p.file, err)
	_, _ = g.s.protocol.HandleRequest([][]byte{p.release}, [][]byte{buf})
}

// cancel ends the wait of p with errno, unless it was answered meanwhile. A write to a stream that has sent a part says how much.
func (g *gate) cancel(p *parked, errno syscall.Errno) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.line == nil {
		return
	}
	var buf [headerSize + 8]byte
	if p.release != nil {
		g.endRelease(p, errno, buf[:])
		return
	}
	g.unpark(p)
	if p.done > 0 {
		g.s.answerWrite(buf[:], p.unique, p.done, nil)
	} else {
		g.s.answer(buf[:], p.unique, 0, errno)
	}
	if p.file == nil {
		g.s.tree.GiveUp(p.unique)
		g.s.leave(g)
	}
}

// arm asks the endpoint to tell of whatever somebody waits for. The caller holds g.mu.
func (g *gate) arm() {
	var want backends.Ready
	if g.readers.Len() > 0 {
		want |= backends.In
	}
	if g.writers.Len() > 0 {
		want |= backends.Out
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
