package backends

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Workers run what may block or take long, each on a goroutine of its own: at most so many at a time, and at
// most so many of one user. What is more waits as plain data; users take turns. A task that runs for long
// passes its place on (see PassOn). Close ends them. They are safe for concurrent use.
type Workers struct {
	panicked atomic.Pointer[func(any)] // told of a panic in a task; nil: nobody is

	poll       *Poller
	most, each int           // that have a place
	after      time.Duration // then a task passes its place on; 0: never
	mostHeld   int           // with and without a place
	eachHeld   int

	mu     sync.Mutex
	all    map[*Task]bool // that run or wait
	users  map[uint32]*turns
	line   list.List     // of *turns that have tasks waiting; the first is next
	run    int           // that have a place
	passed int           // that run on without one
	idle   chan struct{} // closed when none runs any more, after Close
	closed bool
}

// turns are the tasks of one user.
type turns struct {
	waits  list.List     // of *Task
	run    int           // how many have a place
	passed int           // how many run on without one
	at     *list.Element // its place in Workers.line; nil: none waits
}

// none reports whether nothing of the user's runs or waits. The caller holds Workers.mu.
func (u *turns) none() bool { return u.run+u.passed == 0 && u.waits.Len() == 0 }

// A Task is one call that runs, or waits to. It is a Waiter: In when it is done.
type Task struct {
	w      *Workers
	uid    uint32
	f      func(context.Context)
	ctx    context.Context
	cancel context.CancelFunc
	at     *list.Element // among those that wait; nil: it runs or has run. Under w.mu, as is
	passed bool          // it has passed its place on

	mu   sync.Mutex
	done bool
	wake func()
	late func() // what is to be done with the result of an abandoned task
}

// NewWorkers makes workers that run at most so many tasks, and at most so many of one user.
func NewWorkers(p *Poller, most, each int) *Workers {
	return &Workers{
		poll: p, most: most, each: each, mostHeld: most, eachHeld: each,
		all: map[*Task]bool{}, users: map[uint32]*turns{}, idle: make(chan struct{}),
	}
}

// PassOn has a task that runs for longer than after pass its place on to the next, and run on without one. So
// a user who holds up their own tasks for as long as they like, by a lock inside the kernel, does not hold up
// those of others. With and without a place at most mostHeld run, and at most eachHeld of one user: what is
// more of that user waits. It is to be called before the first Go.
func (w *Workers) PassOn(after time.Duration, mostHeld, eachHeld int) {
	w.after, w.mostHeld, w.eachHeld = after, mostHeld, eachHeld
}

// Go runs f for a user, soon. f heeds its context. After Close it does not run, and is done.
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
	u := w.users[uid]
	if u == nil {
		u = &turns{}
		w.users[uid] = u
	}
	w.all[t] = true
	t.at = u.waits.PushBack(t)
	if u.at == nil {
		u.at = w.line.PushBack(u)
	}
	w.next()
	return t
}

// next starts what may run. The caller holds w.mu.
func (w *Workers) next() {
	for at := w.line.Front(); at != nil && w.run < w.most && w.run+w.passed < w.mostHeld; {
		u := at.Value.(*turns)
		at = at.Next()
		if u.run >= w.each || u.run+u.passed >= w.eachHeld {
			continue
		}
		t := u.waits.Front().Value.(*Task)
		w.leave(u, t)
		if u.at != nil {
			w.line.MoveToBack(u.at)
			if at == nil {
				at = w.line.Front()
			}
		}
		w.run++
		u.run++
		go w.work(u, t)
	}
}

// leave takes a task out of those that wait. The caller holds w.mu.
func (w *Workers) leave(u *turns, t *Task) {
	u.waits.Remove(t.at)
	if t.at = nil; u.waits.Len() == 0 {
		w.line.Remove(u.at)
		u.at = nil
	}
}

// pass has a task run on without a place. The bounds on those were kept when it began.
func (w *Workers) pass(u *turns, t *Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.all[t] {
		return // it is over
	}
	t.passed = true
	w.run--
	u.run--
	w.passed++
	u.passed++
	w.next()
}

func (w *Workers) work(u *turns, t *Task) {
	if w.after > 0 {
		defer time.AfterFunc(w.after, func() { w.pass(u, t) }).Stop()
	}
	w.call(t)
	t.cancel()
	t.mu.Lock()
	t.done = true
	wake, late := t.wake, t.late
	t.mu.Unlock()
	if late != nil {
		late()
	}
	if wake != nil {
		wake()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, t)
	if t.passed {
		w.passed--
		u.passed--
	} else {
		w.run--
		u.run--
	}
	if u.none() {
		delete(w.users, t.uid)
	}
	w.next()
	if w.closed && w.run+w.passed == 0 {
		close(w.idle)
	}
}

// TellPanics has f told of a panic in a task, which does not end the daemon then. Tasks may run already.
func (w *Workers) TellPanics(f func(any)) { w.panicked.Store(&f) }

func (w *Workers) call(t *Task) {
	defer func() {
		told := w.panicked.Load()
		if told == nil {
			return
		}
		if r := recover(); r != nil {
			(*told)(r)
		}
	}()
	t.f(t.ctx)
}

// Done reports whether f has returned; what it wrote may be read then.
func (t *Task) Done() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done
}

// Ready is Waiter.Ready.
func (t *Task) Ready() Ready {
	if t.Done() {
		return In
	}
	return 0
}

// Arm is Waiter.Arm: one call of wake when f has returned.
func (t *Task) Arm(_ Ready, wake func()) {
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

// Recall takes the task back if it has not begun to run: then it never does, and is done. Else it ends its
// context, and reports false.
func (t *Task) Recall() bool {
	t.cancel()
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	if t.at == nil {
		return false
	}
	u := t.w.users[t.uid]
	t.w.leave(u, t)
	delete(t.w.all, t)
	if u.none() {
		delete(t.w.users, t.uid)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = true
	return true
}

// workersPatience is how long Close waits for tasks. Only one that connects through a tree which nobody
// serves any more takes that long; it ends with the process.
const workersPatience = 2 * time.Second

// Close ends all tasks and waits for them.
func (w *Workers) Close() error {
	w.mu.Lock()
	if !w.closed && w.run+w.passed == 0 {
		close(w.idle)
	}
	w.closed = true
	for t := range w.all {
		t.cancel()
	}
	w.mu.Unlock()
	select {
	case <-w.idle:
	case <-time.After(workersPatience):
	}
	return nil
}
