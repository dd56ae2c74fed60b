package memqueues

import (
	"sync"
	"time"
)

// A link is the way to a place where queues are kept, and back: what is sent arrives after a while, in the
// order in which it was sent. It is one goroutine, which Close ends.
type link struct {
	delay time.Duration // of each way
	over  chan struct{}
	idle  sync.WaitGroup

	mu   sync.Mutex
	more *sync.Cond
	line []parcel
	shut bool
}

// A parcel is something on its way.
type parcel struct {
	due     time.Time
	arrives func()
}

func newLink(delay time.Duration) *link {
	l := &link{delay: delay, over: make(chan struct{})}
	l.more = sync.NewCond(&l.mu)
	l.idle.Go(l.carry)
	return l
}

// send has arrives called later, on the link's goroutine, with no lock held. It does not block.
func (l *link) send(arrives func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = append(l.line, parcel{time.Now().Add(l.delay), arrives})
	l.more.Signal()
}

// ask has f called at the other end, and waits for the answer.
func (l *link) ask(f func()) {
	answered := make(chan struct{})
	l.send(func() {
		f()
		l.send(func() { close(answered) })
	})
	<-answered
}

func (l *link) carry() {
	for {
		p, ok := l.next()
		if !ok {
			return
		}
		select {
		case <-time.After(time.Until(p.due)):
		case <-l.over: // what is on its way arrives at once
		}
		p.arrives()
	}
}

func (l *link) next() (p parcel, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.line) == 0 && !l.shut {
		l.more.Wait()
	}
	if len(l.line) == 0 {
		return p, false
	}
	p, l.line = l.line[0], l.line[1:]
	return p, true
}

// Close ends the link. What is on its way arrives at once and may
// send answers; nobody else may send any more.
func (l *link) Close() {
	l.mu.Lock()
	l.shut = true
	l.mu.Unlock()
	close(l.over)
	l.more.Signal()
	l.idle.Wait()
}
