package mount

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// turns let threads look a name up one after the other. Each LOOKUP of a message face is answered with a node
// of its own (see fs), and the kernel, told of another node than it knows the name by, drops what it knows
// and asks again. Threads that open or stat one name at the same time would drop what others have just been
// told, and each would ask as often as there are of them (TestCrowd).
//
// So a thread that is told of a face has its turn until its next request: one about the face, or about
// anything else. A LOOKUP of the same name again says only that it was told in vain. Meanwhile others'
// LOOKUPs are parked. One that comes again is not: it may hold what those in front of it need in the kernel,
// the lock of the directory, or the only place to look up a name that is not known. A turn that is not used
// ends after maxTurn, for its thread may be stopped, or wait for one that was parked although it holds such a
// thing.
//
// A LOOKUP of what is kept elsewhere is not parked before it is answered, for all can be asked elsewhere at
// the same time: its answer is kept until its turn (inTurn).
//
// A parked LOOKUP is never answered EINTR; who interrupts it has it answered. All methods are safe for
// concurrent use.
type turns struct {
	expired func(*line)   // called on a goroutine of its own when the turn in a line has lasted long
	most    time.Duration // maxTurn
	back    time.Duration // maxReturn
	farMost time.Duration // farTurn
	farBack time.Duration // farReturn
	threads atomic.Int32  // len(by): where it is 0, a request need not look further

	mu      sync.Mutex
	by      map[uint32]*turn
	lines   map[spot]*line
	parked  map[uint64]*lookup
	going   map[uint64]*lookup   // whose turn it is, until they are answered or wait for that elsewhere
	byUid   map[uint32]int       // how many are parked
	wasters map[uint32]time.Time // until when the turns of a user delay no other
	sweepAt int                  // so many of by
}

// spot is a name in a directory.
type spot struct {
	dir  uint64
	name string
}

// line is where threads wait that look one name up.
type line struct {
	at      spot
	turn    *turn  // nil: nobody's
	uid     uint32 // whose it was last
	known   uint64 // the node the kernel should know the name by; 0: none
	told    uint64 // the node in the last answer
	waiting []*lookup
	timer   *time.Timer
	far     bool // what is looked up there is kept elsewhere
}

// turn is what is known of a thread that was told of a face and has not asked for anything else since.
type turn struct {
	pid, uid uint32
	line     *line     // where it has the turn; nil: it has lost it, or was answered out of turn
	since    time.Time // when it got it
	last     time.Time // when it was answered last
	node     uint64    // in that answer
	settled  bool      // it should go on with that node; else it comes again
	asks     bool      // its LOOKUP, which was parked or is answered elsewhere, is being answered
	passes   int       // how often it was answered since it lost the turn
}

// lookup is a LOOKUP that is parked, or whose answer is.
type lookup struct {
	line   *line
	req    []byte
	known  uint64  // line.known when it came
	far    bool    // it is answered elsewhere
	answer *inTurn // which has come before its turn; nil: it has no answer yet
	ended  bool    // it was interrupted while it was among the going
}

const (
	// maxTurn is how long a turn lasts that is not used. Most threads come back within 50 µs.
	maxTurn = time.Millisecond
	// maxReturn is how long one waits for a thread that has to come again.
	maxReturn = 200 * time.Microsecond
	// farTurn and farReturn are those of what is kept elsewhere: it takes a while to answer a thread that
	// comes again, and to ask for another one in vain costs more than to wait.
	farTurn, farReturn = 10 * time.Millisecond, 5 * time.Millisecond
	// maxPasses is how often a thread is answered out of turn, one LOOKUP after the other.
	maxPasses = 4
	// penance is how long a user's turns delay no other user, after one that did and was not used.
	penance = 64 * time.Millisecond
	// maxLookups bounds what one user may have parked, about 300 bytes each. More are answered out of turn.
	maxLookups = 1 << 14
	// oldTurn is when a thread is forgotten that does not ask for anything.
	oldTurn = time.Second
)

func newTurns(expired func(*line)) *turns {
	return &turns{
		expired: expired, most: maxTurn, back: maxReturn, farMost: farTurn, farBack: farReturn,
		by: map[uint32]*turn{}, lines: map[spot]*line{}, parked: map[uint64]*lookup{}, going: map[uint64]*lookup{},
		byUid: map[uint32]int{}, wasters: map[uint32]time.Time{}, sweepAt: 256,
	}
}

// park parks a LOOKUP if it is another thread's turn, and reports whether it did.
func (t *turns) park(req []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, left, waits := t.waits(as[fuse.InHeader](req), string(nameOf(req)))
	if waits {
		t.wait(&lookup{line: l, req: bytes.Clone(req), known: l.known}, left)
	}
	return waits
}

// waits reports whether a LOOKUP is to be parked, in which line, and how long the turn there lasts. The
// caller holds t.mu.
func (t *turns) waits(h *fuse.InHeader, name string) (l *line, left time.Duration, waits bool) {
	l = t.lines[spot{h.NodeId, name}]
	if l == nil || l.turn == nil || l.turn.pid == h.Pid || h.Pid == 0 || t.byUid[h.Uid] >= maxLookups {
		return l, 0, false
	}
	if own := t.by[h.Pid]; own != nil && own.line == nil && own.passes < maxPasses {
		own.passes++
		return l, 0, false // it comes again
	}
	if !l.turn.settled && !l.turn.asks && l.known == 0 {
		return l, 0, false // it may be the one that looks the name up that the kernel has just dropped
	}
	now := time.Now()
	left = t.left(l.turn, now)
	if left == 0 && len(l.waiting) == 0 || l.turn.uid != h.Uid && now.Before(t.wasters[l.turn.uid]) {
		l.turn.lose()
		return l, 0, false
	}
	return l, left, true
}

// wait puts a LOOKUP into its line. The caller holds t.mu.
func (t *turns) wait(w *lookup, left time.Duration) {
	l, h := w.line, as[fuse.InHeader](w.req)
	l.waiting = append(l.waiting, w)
	t.parked[h.Unique] = w
	t.byUid[h.Uid]++
	if len(l.waiting) == 1 {
		t.await(l, left)
	}
}

// nameOf is the name in a LOOKUP.
func nameOf(req []byte) []byte {
	name, _, _ := bytes.Cut(req[inHeaderSize:], []byte{0})
	return name
}

// left is how long a turn still lasts.
func (t *turns) left(g *turn, now time.Time) time.Duration {
	left := t.lasts(g) - now.Sub(g.since)
	if !g.settled && !g.asks {
		back := t.back
		if g.line.far {
			back = t.farBack
		}
		left = min(left, back-now.Sub(g.last))
	}
	return max(left, 0)
}

// lasts is how long a turn lasts in all.
func (t *turns) lasts(g *turn) time.Duration {
	if g.line.far {
		return t.farMost
	}
	return t.most
}

// lose takes a turn away that was not used.
func (g *turn) lose() { g.line.turn, g.line, g.passes = nil, nil, 0 }

// await has t.expired called for a line. The caller holds t.mu.
func (t *turns) await(l *line, d time.Duration) {
	if l.timer == nil {
		l.timer = time.AfterFunc(d, func() { t.expired(l) })
	} else {
		l.timer.Reset(d)
	}
}

// told notes that a thread is about to be told of a face by the name that it has looked up, and gives it the
// turn if nobody has it. w is its LOOKUP if that was parked.
func (t *turns) told(h *fuse.InHeader, name string, node uint64, w *lookup) {
	if h.Pid == 0 {
		return // the kernel cannot say who it is: it is not of the daemon's pid namespace
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lines[spot{h.NodeId, name}]
	if l == nil {
		l = &line{at: spot{h.NodeId, name}}
		t.lines[l.at] = l
	}
	l.far = w != nil && w.far
	g := t.take(l, h)
	if g.settled && g.node == l.known {
		l.known = 0 // it was told that in vain
	}
	g.settled, g.asks = true, false
	switch {
	case w != nil && w.known != l.known:
		g.settled = false // what the kernel knew when it asked
	case l.known == 0:
		l.known = node
	case l.known != node:
		l.known, g.settled = 0, false
	}
	g.node, l.told, g.last = node, node, time.Now()
	if g.line == l && len(l.waiting) > 0 {
		t.await(l, t.left(g, g.last))
	}
}

// take gives a thread the turn in a line, if nobody has it. The caller holds t.mu.
func (t *turns) take(l *line, h *fuse.InHeader) *turn {
	now := time.Now()
	g := t.by[h.Pid]
	if g == nil {
		if len(t.by) >= t.sweepAt {
			t.sweep(now)
		}
		g = &turn{pid: h.Pid, since: now}
		t.by[h.Pid] = g
		t.threads.Store(int32(len(t.by)))
	}
	if l.turn == nil { // to ask again and again does not make a turn longer
		g.uid, g.line, g.since = h.Uid, l, now
		l.turn, l.uid = g, h.Uid
	}
	return g
}

// sweep forgets threads that have not asked for anything for long: most have ended. The caller holds t.mu.
func (t *turns) sweep(now time.Time) {
	for _, g := range t.by {
		if now.Sub(g.since) > oldTurn && (g.line == nil || len(g.line.waiting) == 0) {
			t.forget(g)
		}
	}
	for uid, until := range t.wasters {
		if now.After(until) {
			delete(t.wasters, uid)
		}
	}
	t.sweepAt = max(256, 2*len(t.by))
}

// forget forgets a thread, and the line where it has the turn unless others wait there. The caller holds
// t.mu.
func (t *turns) forget(g *turn) {
	delete(t.by, g.pid)
	t.threads.Store(int32(len(t.by)))
	if l := g.line; l != nil {
		l.turn = nil
		t.close(l)
	}
}

// close forgets a line where nobody has the turn or waits. The caller holds t.mu.
func (t *turns) close(l *line) {
	if l.turn == nil && len(l.waiting) == 0 && t.lines[l.at] == l {
		delete(t.lines, l.at)
		if l.timer != nil {
			l.timer.Stop()
		}
	}
}

// used tells that a thread has made a request, and returns the line where it had the turn if others wait
// there.
func (t *turns) used(req []byte) *line {
	h := as[fuse.InHeader](req)
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.by[h.Pid]
	if g == nil {
		return nil
	}
	l := g.line
	if h.Opcode == opLookup && (l == nil || l.at.dir == h.NodeId && string(nameOf(req)) == l.at.name) {
		return nil
	}
	if l != nil && l.told == g.node {
		l.known = g.node
	}
	t.forget(g)
	if l != nil && len(l.waiting) > 0 {
		return l
	}
	return nil
}

// vain tells that there is nothing to use for a thread that has the turn.
func (t *turns) vain(pid uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.by[pid]; g != nil {
		t.forget(g)
	}
}

// expire takes the turn in a line away if it has lasted too long, and reports whether somebody else is to
// have it.
func (t *turns) expire(l *line) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(l.waiting) == 0 {
		return false
	}
	g := l.turn
	if g == nil {
		return true
	}
	now := time.Now()
	if left := t.left(g, now); left > 0 {
		t.await(l, left)
		return false
	}
	if now.Sub(g.since) >= t.lasts(g) &&
		slices.ContainsFunc(l.waiting, func(w *lookup) bool { return w.uid() != g.uid }) {
		t.wasters[g.uid] = now.Add(penance)
	}
	g.lose()
	// If it waits for one of these, it is one who came after it had the turn.
	last := len(l.waiting) - 1
	l.waiting = slices.Insert(l.waiting[:last], 0, l.waiting[last])
	return true
}

// next takes the LOOKUP out of a line whose turn it is now, the next of another user than the last if there
// is one; nil if it is somebody's turn, or nobody waits. If it has no answer yet, went is to be called.
func (t *turns) next(l *line) *lookup {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.turn != nil || len(l.waiting) == 0 {
		t.close(l)
		return nil
	}
	i := max(0, slices.IndexFunc(l.waiting, func(w *lookup) bool { return w.uid() != l.uid }))
	w := l.waiting[i]
	t.unpark(w, i)
	if w.answer == nil {
		t.going[as[fuse.InHeader](w.req).Unique] = w
	}
	t.take(l, as[fuse.InHeader](w.req)).asks = true
	if len(l.waiting) > 0 {
		t.await(l, t.most)
	}
	return w
}

// unpark takes a LOOKUP out of its line, where it is the i-th. The caller holds t.mu.
func (t *turns) unpark(w *lookup, i int) {
	w.line.waiting = slices.Delete(w.line.waiting, i, i+1)
	delete(t.parked, as[fuse.InHeader](w.req).Unique)
	if t.byUid[w.uid()]--; t.byUid[w.uid()] == 0 {
		delete(t.byUid, w.uid())
	}
}

// interrupt takes a LOOKUP out of its line; nil if it is not parked.
func (t *turns) interrupt(unique uint64) *lookup {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.going[unique]; w != nil {
		w.ended = true
	}
	w := t.parked[unique]
	if w != nil {
		t.unpark(w, slices.Index(w.line.waiting, w))
		t.close(w.line)
	}
	return w
}

func (w *lookup) uid() uint32 { return as[fuse.InHeader](w.req).Uid }
