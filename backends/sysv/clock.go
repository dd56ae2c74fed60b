package sysv

import (
	"sync"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// clock has System V queues looked at while somebody waits for them, all with one timer. It is a timerfd,
// as the timers of the Go runtime sleep for whole milliseconds. There is one as long as a queue is open.
type clock struct {
	fd    int
	src   *backends.Source // of fd
	tick  func()           // run, made once
	start time.Time

	mu     sync.Mutex
	due    map[*openQueue]time.Duration // since start
	next   time.Duration                // what the timer is set to; 0: it is not set
	busy   bool                         // run is at work, and will set the timer
	closed bool
}

// The time from one look at a queue to the next: a quarter of the time that it has been quiet, within these
// bounds, or, where nobody waits but for its end, forEnd. The kernel does not tell when a poll(2) is over, so that is
// how long whoever has polled once has it looked at.
const (
	soonest = 500 * time.Microsecond
	latest  = 10 * time.Millisecond
	forEnd  = time.Second
)

func newClock(p *backends.Poller) (*clock, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	c := &clock{fd: fd, src: p.Watch(fd), start: time.Now(), due: map[*openQueue]time.Duration{}}
	c.tick = c.run
	return c, nil
}

func (c *clock) close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.src.Forget()
	return unix.Close(c.fd)
}

// schedule has q looked at, after it was quiet for so long. The caller holds q.mu.
func (c *clock) schedule(q *openQueue, quiet time.Duration) {
	wait := min(max(quiet/4, soonest), latest)
	if q.seldom {
		wait = forEnd
	}
	at := time.Since(c.start) + wait
	if wait >= latest {
		at -= at % wait // quiet queues are looked at together
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due[q] = at
	if !c.busy && (c.next == 0 || at < c.next) {
		c.set(at)
	}
}

// forget takes q off the schedule.
func (c *clock) forget(q *openQueue) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.due, q)
}

// set sets the timer. The caller holds c.mu.
func (c *clock) set(at time.Duration) {
	if c.closed {
		return
	}
	c.next = at
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(1, at-time.Since(c.start))))}
	_ = unix.TimerfdSettime(c.fd, 0, &spec, nil) // the descriptor is ours and the time is one: nothing to fail
	c.src.Arm(backends.In, c.tick)
}

// run has the queues looked at whose time has come. It runs on the poller's goroutine.
func (c *clock) run() {
	const early = 100 * time.Microsecond // what comes this soon is done now
	c.mu.Lock()
	c.busy, c.next = true, 0
	now := time.Since(c.start) + early
	var ready []*openQueue
	for q, at := range c.due {
		if at <= now {
			ready = append(ready, q)
			delete(c.due, q)
		}
	}
	c.mu.Unlock()
	for _, q := range ready {
		q.look()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
	var next time.Duration
	for _, at := range c.due {
		if next == 0 || at < next {
			next = at
		}
	}
	if next > 0 {
		c.set(next)
	}
}
