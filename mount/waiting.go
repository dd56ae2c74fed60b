package mount

import (
	"sync"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// waiting is all requests that are parked, by the number the kernel interrupts them with, and what they cost
// by user.
type waiting struct {
	mu    sync.Mutex
	all   map[uint64]*parked
	byUid map[uint32]cost
	away  int           // of all, those that are on their way and do not wait
	ended syscall.Errno // not 0: nobody may wait any more
	over  *sync.Cond    // one has ended, after ended was set
}

type cost struct{ requests, bytes int }

// Limits are the lines of /ctl/limits: what waits, and what waits for the one user other than root for whom
// most does.
func (w *waiting) Limits() []backends.Limit {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all, most cost
	for uid, c := range w.byUid {
		all.requests, all.bytes = all.requests+c.requests, all.bytes+c.bytes
		if uid != 0 {
			most.requests, most.bytes = max(most.requests, c.requests), max(most.bytes, c.bytes)
		}
	}
	return []backends.Limit{
		{Name: "waiting", Used: int64(all.requests), Limit: -1},
		{Name: "waiting/user", Used: int64(most.requests), Limit: nodes.MaxWaiting},
		{Name: "waiting_bytes", Used: int64(all.bytes), Limit: -1},
		{Name: "waiting_bytes/user", Used: int64(most.bytes), Limit: nodes.MaxWaitingBytes},
	}
}

// add takes p in: ENOBUFS if its user has too much waiting, or the errno the session ends with, unless it
// must; EINVAL if there is one of its number already.
func (w *waiting) add(p *parked, must bool) syscall.Errno {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != 0 && !must {
		return w.ended
	}
	if w.all[p.in.Unique] != nil && !must {
		return syscall.EINVAL
	}
	c := w.byUid[p.in.Uid]
	if (c.requests >= nodes.MaxWaiting || c.bytes+p.bytes() > nodes.MaxWaitingBytes) && !must {
		return syscall.ENOBUFS
	}
	w.byUid[p.in.Uid] = cost{c.requests + 1, c.bytes + p.bytes()}
	w.all[p.in.Unique] = p
	if p.settles {
		w.away++
	}
	return 0
}

// settle notes whether p, which is in and in line, is on its way. The caller holds its gate's lock.
func (w *waiting) settle(p *parked, settles bool) {
	if p.settles == settles {
		return
	}
	p.line.counts(p, -1)
	p.settles = settles
	p.line.counts(p, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if settles {
		w.away++
	} else {
		w.away--
	}
	if w.ended != 0 {
		w.over.Broadcast()
	}
}

func (w *waiting) remove(p *parked) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all[p.in.Unique] == p {
		delete(w.all, p.in.Unique)
	}
	if p.settles {
		w.away--
	}
	if c := w.byUid[p.in.Uid]; c.requests > 1 {
		w.byUid[p.in.Uid] = cost{c.requests - 1, c.bytes - p.bytes()}
	} else {
		delete(w.byUid, p.in.Uid)
	}
	if w.ended != 0 {
		w.over.Broadcast()
	}
}

func (w *waiting) get(unique uint64) *parked {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all[unique]
}

// count is how many wait.
func (w *waiting) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.all) - w.away
}

// older lists those that have waited for longer than age.
func (w *waiting) older(age time.Duration) []*parked {
	w.mu.Lock()
	defer w.mu.Unlock()
	var old []*parked
	began := now() - moment(age)
	for _, p := range w.all {
		if p.since < began {
			old = append(old, p)
		}
	}
	return old
}

// end ends all waits with errno, now and from now on.
func (w *waiting) end(errno syscall.Errno) {
	w.mu.Lock()
	w.ended = errno
	w.mu.Unlock()
	for _, p := range w.older(-time.Hour) {
		p.cancel(errno)
	}
}

// settled waits until none is on its way any more, for limit at most. Those that wait go on waiting, and no
// more may.
func (w *waiting) settled(limit time.Duration) {
	late := false
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = errLeft
	defer time.AfterFunc(limit, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		late = true
		w.over.Broadcast()
	}).Stop()
	for w.away > 0 && !late {
		w.over.Wait()
	}
}

// drained waits until nobody waits, after end.
func (w *waiting) drained() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.all) > 0 {
		w.over.Wait()
	}
}
