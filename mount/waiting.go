package mount

import (
	"sync"
	"syscall"
	"time"
)

// waiting is all requests that are parked, by the number the kernel interrupts them with, and what they cost
// by user.
type waiting struct {
	mu    sync.Mutex
	all   map[uint64]*parked
	byUid map[uint32]*cost
	away  int           // of all, those that are on their way and do not wait
	ended syscall.Errno // not 0: nobody may wait any more
	over  *sync.Cond    // one has ended, after ended was set
}

type cost struct{ requests, bytes int }

// One user's waiting requests must not take the memory the others need.
const (
	maxParked      = 1 << 16  // a request is about 200 bytes here, and a task blocked in the kernel there
	maxParkedBytes = 64 << 20 // of messages that wait to be sent
)

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
	if c == nil {
		c = &cost{}
	}
	if (c.requests >= maxParked || c.bytes+p.bytes > maxParkedBytes) && !must {
		return syscall.ENOBUFS
	}
	w.byUid[p.in.Uid] = c
	c.requests++
	c.bytes += p.bytes
	w.all[p.in.Unique] = p
	return 0
}

// settle notes whether p, which is in, is on its way. The caller holds its gate's lock.
func (w *waiting) settle(p *parked, settles bool) {
	if p.settles == settles {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.settles = settles; settles {
		w.away++
	} else {
		w.away--
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
	c := w.byUid[p.in.Uid]
	c.requests--
	c.bytes -= p.bytes
	if c.requests == 0 {
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

// older lists those that wait since before t.
func (w *waiting) older(t time.Time) []*parked {
	w.mu.Lock()
	defer w.mu.Unlock()
	var old []*parked
	for _, p := range w.all {
		if p.since.Before(t) {
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
	for _, p := range w.older(time.Now().Add(time.Hour)) {
		p.cancel(errno)
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
