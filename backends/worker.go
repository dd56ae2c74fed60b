package backends

import (
	"context"
	"sync"
	"time"
)

// Workers run what may block: name service, and connecting through the daemon's own tree. At most maxWorkers goroutines do, each for
// one task, and at most maxWorkersUid of them for one user; what is more waits as plain data. Close ends them.
type Workers struct {
	poll *Poller

	mu     sync.Mutex
	all    map[*Task]bool // that run or wait
	queue  []*Task
	byUid  map[uint32]int // that run
	run    int
	idle   chan struct{} // closed when none runs any more, after Close
	closed bool
}

const (
	maxWorkers    = 64
	maxWorkersUid = 16
)

// A Task is one call that runs, or waits to.
type Task struct {
	w      *Workers
	uid    uint32
	f      func(context.Context)
	ctx    context.Context
	cancel context.CancelFunc

	mu   sync.Mutex
	done bool
	wake func()
	late func() // what is to be done with the result of an abandoned task
}

func newWorkers(p *Poller) *Workers {
	return &Workers{poll: p, all: map[*Task]bool{}, byUid: map[uint32]int{}, idle: make(chan struct{})}
}

// Go runs f on a goroutine of its own, for a user. f heeds its context. After Close it does not run, and is done.
func (w *Workers) Go(uid uint32, f func(context.Context)) *Task {
	t := &Task{w: w, uid: uid, f: f}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		t.cancel()
		t.done = true
		return t
	}
	w.all[t] = true
	w.queue = append(w.queue, t)
	w.next()
	return t
}

// next starts what may run. The caller holds w.mu.
func (w *Workers) next() {
	keep := w.queue[:0]
	for _, t := range w.queue {
		if w.run >= maxWorkers || w.byUid[t.uid] >= maxWorkersUid {
			keep = append(keep, t)
			continue
		}
		w.run++
		w.byUid[t.uid]++
		go w.work(t)
	}
	clear(w.queue[len(keep):])
	w.queue = keep
}

func (w *Workers) work(t *Task) {
	t.f(t.ctx)
	t.cancel()
	t.mu.Lock()
	t.done = true
	wake, late := t.wake, t.late
	t.mu.Unlock()
	if late != nil {
		late()
	}
	if wake != nil {
		w.poll.Soon(wake)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, t)
	w.run--
	if w.byUid[t.uid]--; w.byUid[t.uid] == 0 {
		delete(w.byUid, t.uid)
	}
	w.next()
	if w.closed && w.run == 0 {
		close(w.idle)
	}
}

// Done reports whether f has returned; what it wrote may be read then.
func (t *Task) Done() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done
}

// Arm asks for one call of wake when f has returned.
func (t *Task) Arm(wake func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		t.w.poll.Soon(wake)
		return
	}
	t.wake = wake
}

// Abandon gives f up: its context ends, and late is called once it has returned, to undo what it did.
func (t *Task) Abandon(late func()) {
	t.cancel()
	t.mu.Lock()
	done := t.done
	t.wake, t.late = nil, late
	t.mu.Unlock()
	if done {
		late()
	}
}

// workersPatience is how long Close waits for tasks. Only one that connects through a tree which nobody serves any more takes that
// long; it ends with the process.
const workersPatience = 2 * time.Second

// Close ends all tasks and waits for them.
func (w *Workers) Close() error {
	w.mu.Lock()
	w.closed = true
	for t := range w.all {
		t.cancel()
	}
	if w.run == 0 {
		close(w.idle)
	}
	w.mu.Unlock()
	select {
	case <-w.idle:
	case <-time.After(workersPatience):
	}
	return nil
}
