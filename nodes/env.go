package nodes

import (
	"runtime"
	"sync"

	"github.com/ipcfs/ipcfs/backends"
)

// Env is what the classes share.
type Env struct {
	Poll   *backends.Poller
	Work   *backends.Workers // for what takes long and waits for nobody: texts, listings, commands
	Away   *backends.Workers // for what waits for others: calls, and objects that are kept elsewhere
	Texts  *Texts
	Notes  *Notes
	Shares Shares
	Memory *backends.Budget // what open files hold between two calls

	users users

	mu     sync.Mutex
	parked func(backends.Waiter) (readers, writers int)
	allow  map[uint32]*allowance // by user
}

// How many calls at a time wait for others, and how many of one user.
const (
	maxAway    = 64
	maxAwayUid = 16
)

// NewEnv makes an Env. Its workers are the caller's to close.
func NewEnv(p *backends.Poller) *Env {
	most := max(2, runtime.NumCPU())
	work := backends.NewWorkers(p, most, most/2)
	return &Env{
		Poll: p, Work: work, Away: backends.NewWorkers(p, maxAway, maxAwayUid), Texts: newTexts(p, work),
		Notes: NewNotes(), Shares: newShares(), Memory: newMemory(), users: newUsers(), allow: map[uint32]*allowance{},
	}
}

// CountParked tells Env who counts the requests that wait for an endpoint.
func (e *Env) CountParked(f func(backends.Waiter) (readers, writers int)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.parked = f
}

// File makes an open file of a face of end and keeps in mind whose it is.
func (e *Env) File(face Face, end backends.Endpoint, flags int, by Caller) *File {
	f := NewFile(face, end, readingFor(flags), e.users.opened(end, flags, by))
	f.pays = e.allowance(by.Uid)
	return f
}

// allowance is that of a user.
func (e *Env) allowance(uid uint32) *allowance {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.allow[uid]
	if a == nil {
		a = &allowance{budget: e.Memory, uid: uid, lent: map[*byte]int{}}
		e.allow[uid] = a
	}
	return a
}
