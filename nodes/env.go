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

	mu     sync.Mutex
	parked func(backends.Waiter) (readers, writers int)
	users  map[backends.Waiter]map[*File]user
	allow  map[uint32]*allowance // by user
}

// user is who has a file open.
type user struct {
	by    Caller
	flags int
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
		Poll: p, Work: work, Away: backends.NewWorkers(p, maxAway, maxAwayUid), Texts: newTexts(p, work), Notes: NewNotes(), Shares: newShares(), Memory: newMemory(),
		users: map[backends.Waiter]map[*File]user{}, allow: map[uint32]*allowance{},
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
	var f *File
	f = NewFile(face, end, readingFor(flags), func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.users[end], f)
		if len(e.users[end]) == 0 {
			delete(e.users, end)
		}
	})
	f.pays = e.allowance(by.Uid)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.users[end] == nil {
		e.users[end] = map[*File]user{}
	}
	e.users[end][f] = user{by, flags}
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

// Users are the facts of who has an object open through the mount, by its endpoints, and how many of their requests wait.
func (e *Env) Users(ends ...backends.Waiter) []Fact {
	e.mu.Lock()
	parked := e.parked
	var readers, writers []string
	for _, w := range ends {
		for _, u := range e.users[w] {
			if u.flags&accessMode != writeOnly {
				readers = append(readers, u.by.name())
			}
			if writes(u.flags) {
				writers = append(writers, u.by.name())
			}
		}
	}
	e.mu.Unlock()
	facts := []Fact{
		{"readers", len(readers)}, {"writers", len(writers)},
		{"reader_pids", list(readers)}, {"writer_pids", list(writers)},
	}
	if parked == nil {
		return facts
	}
	waitRead, waitWrite := 0, 0
	for _, w := range ends {
		r, w := parked(w)
		waitRead, waitWrite = waitRead+r, waitWrite+w
	}
	return append(facts, Fact{"parked_readers", waitRead}, Fact{"parked_writers", waitWrite})
}

// Holders name the processes that have an endpoint open through the mount.
func (e *Env) Holders(w backends.Waiter) List {
	e.mu.Lock()
	defer e.mu.Unlock()
	var names []string
	for _, u := range e.users[w] {
		names = append(names, u.by.name())
	}
	return list(names)
}
