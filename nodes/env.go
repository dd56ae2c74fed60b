package nodes

import (
	"runtime"
	"sync"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// Env is what the classes share.
type Env struct {
	Poll *backends.Poller
	Work *backends.Workers // for what takes long and waits for nobody: texts, listings, commands
	Away *backends.Workers // for what waits for others: calls
	// for what may have to wait for a lock in the kernel, of users who have much that waits so
	Late     *backends.Workers
	Texts    *Texts
	Failures *Failures
	Shares   Shares
	Trace    *Trace
	Acts     *Acts            // nil: nothing is noted
	Heap     *backends.Budget // what open files hold of it between two calls

	users users

	mu      sync.Mutex
	places  []*Elsewhere
	waiting func(backends.Waiter) Waiting
	allow   map[uint32]*allowance    // by user
	left    map[uint64]backends.Left // messages that open files of an earlier process had in hand
}

// How many calls that wait for others have a place, and how many of one user there are.
const (
	maxAway    = 64
	maxAwayUid = 16
	maxLateUid = 4
)

// patience is how long what a user has done keeps others from running. Little takes longer, unless it waits
// for a lock in the kernel, or for somebody who does not answer.
const patience = 250 * time.Millisecond

// maxTasks is how many tasks of one kind may run with a place and without. One user has a small share of
// them, so that few cannot keep all others waiting (TestHungCalls). Each may take a thread.
const maxTasks = 1024

// NewEnv makes an Env. Its workers are the caller's to close.
func NewEnv(p *backends.Poller) *Env {
	most := max(2, runtime.NumCPU())
	work := backends.NewWorkers(p, most, most/2)
	work.PassOn(patience, maxTasks, most/2+maxLateUid)
	away, late := backends.NewWorkers(p, maxAway, maxAwayUid), backends.NewWorkers(p, maxAway, maxLateUid)
	away.PassOn(patience, maxTasks, maxAwayUid)
	late.PassOn(patience, maxTasks, maxLateUid)
	return &Env{
		Poll: p, Work: work, Away: away, Late: late,
		Texts:    newTexts(p, work),
		Failures: newFailures(), Shares: newShares(), Trace: &Trace{backends.NewTrace(p)}, Heap: newHeap(),
		users: newUsers(), allow: map[uint32]*allowance{},
	}
}

// Sides counts readers and writers.
type Sides struct{ Readers, Writers int }

func (s *Sides) add(o Sides) {
	s.Readers += o.Readers
	s.Writers += o.Writers
}

// CountWaiting tells Env who counts those who wait for an endpoint: requests that are parked, and files in
// poll(2).
func (e *Env) CountWaiting(f func(backends.Waiter) Waiting) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting = f
}

// File makes an open file of a face of end and keeps in mind whose it is.
func (e *Env) File(face Face, end backends.Endpoint, flags int, by Caller) *File {
	f := NewFile(face, end, readingFor(flags))
	e.users.opened(&f.by, backends.Shared(end), flags, by)
	f.pays = e.allowance(by.Uid)
	f.moves = movesOf(flags)
	f.knowing(by)
	return f
}

// movesOf says what a file that was opened with flags is for: In to be read, Out to be written.
func movesOf(flags int) (moves backends.Ready) {
	if flags&accessMode != writeOnly {
		moves |= backends.In
	}
	if writes(flags) {
		moves |= backends.Out
	}
	return moves
}

// Hands are the messages that open files of an earlier process had in hand. It is called before one is opened
// again.
func (e *Env) Hands(left []backends.Left) {
	e.left = map[uint64]backends.Left{}
	for _, one := range left {
		e.left[one.Number] = one
	}
}

// NoHands drops those that none has any more, when all are open again.
func (e *Env) NoHands(l *backends.Ledger) {
	for number, one := range e.left {
		l.Drop(&one.Record)
		delete(e.left, number)
	}
}

// allowance is the allowance of a user.
func (e *Env) allowance(uid uint32) *allowance {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.allow[uid]
	if a == nil {
		a = &allowance{budget: e.Heap, uid: uid, lent: map[*byte]*lentHand{}, left: e.left}
		e.allow[uid] = a
	}
	return a
}
