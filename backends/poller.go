package backends

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Poller watches descriptors for their owners with one epoll instance and one goroutine. A descriptor is
// armed (EPOLLONESHOT) only while somebody waits for it: one that stays armed would wake the goroutine for
// every message, whether anybody waits or not (epoll(7)). NewPoller makes one; Close ends its goroutine.
type Poller struct {
	ep, bell int // epoll instance; eventfd that calls the loop's attention to soon and closing
	done     chan struct{}

	mu      sync.Mutex
	sources map[int32]*Source
	next    int32
	soon    []func()
	wakes   []func() // given to Wake for Let
	spare   []func() // room for them
	closing bool
	refused map[*Source]bool // by epoll, see refuse
	told    time.Time        // when tell was called last

	hold    atomic.Int32 // notHeld, held, heldWakes
	watched atomic.Int64 // how many descriptors epoll has
	looked  time.Time    // when refused was looked at last; the loop's own
	tell    func(error)
}

// A Source is one watched descriptor. It implements the Arm of a Waiter.
type Source struct {
	p  *Poller
	fd int

	mu     sync.Mutex
	token  int32 // the name epoll knows it by; 0: none yet
	known  bool  // to epoll
	want   Ready // what it was armed for
	wake   func()
	missed bool // Wake was called while nobody waited
	closed bool
}

// NewPoller starts a poller.
func NewPoller() (*Poller, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(ep)
		return nil, err
	}
	p := &Poller{ep: ep, bell: bell, done: make(chan struct{}), sources: map[int32]*Source{}, next: 1,
		refused: map[*Source]bool{}}
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, bell, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
		unix.Close(ep)
		unix.Close(bell)
		return nil, err
	}
	go p.run()
	return p, nil
}

// Close ends the poller's goroutine and waits for it. What Soon is given later is not called.
func (p *Poller) Close() error {
	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()
	p.ring()
	<-p.done
	unix.Close(p.bell)
	return unix.Close(p.ep)
}

// Soon runs f on the poller's goroutine.
func (p *Poller) Soon(f func()) {
	p.mu.Lock()
	p.soon = append(p.soon, f)
	p.mu.Unlock()
	p.ring()
}

// Wake is Soon for calls that wake others, which are run by whoever calls Let if somebody is about to. It
// does not keep the slice.
func (p *Poller) Wake(wakes []func()) {
	p.mu.Lock()
	held := p.hold.CompareAndSwap(held, heldWakes) || p.hold.Load() == heldWakes
	if held {
		p.wakes = append(p.wakes, wakes...)
	} else {
		p.soon = append(p.soon, wakes...)
	}
	p.mu.Unlock()
	if !held {
		p.ring()
	}
}

// Hold keeps what Wake is given for Let, which the caller calls a moment later: its thread is awake, the
// poller's would have to be woken. One holds at a time.
func (p *Poller) Hold() { p.hold.Store(held) }

// What becomes of calls given to Wake. It leaves heldWakes with p.mu held only. Hold and Let are called for
// each message, and take no lock if there was nobody to wake.
const (
	notHeld   = iota // the poller's goroutine runs them
	held             // they wait for Let; there are none
	heldWakes        // there are some
)

// Let ends Hold and runs what Wake was given, for no longer than most; what is left then it leaves to the
// poller's goroutine. Its caller holds no lock.
func (p *Poller) Let(most time.Duration) {
	if p.hold.CompareAndSwap(held, notHeld) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runWakes(most)
	p.hold.Store(notHeld)
	if len(p.wakes) > 0 {
		p.soon = append(p.soon, p.wakes...)
		p.wakes = Forget(p.wakes)
		p.ring()
	}
}

// runWakes calls what Wake was given, and is given meanwhile. The caller holds p.mu, which is free during
// the calls.
func (p *Poller) runWakes(most time.Duration) {
	for begun := time.Now(); len(p.wakes) > 0 && time.Since(begun) < most; {
		now := p.wakes
		p.wakes = p.spare
		p.mu.Unlock()
		n := 0
		for ; n < len(now) && time.Since(begun) < most; n++ {
			now[n]()
		}
		p.mu.Lock()
		p.wakes = append(p.wakes, now[n:]...)
		p.spare = Forget(now)
	}
}

// Forget empties a slice of calls, and keeps its room.
func Forget(calls []func()) []func() {
	clear(calls)
	return calls[:0]
}

func (p *Poller) ring() {
	one := [8]byte{1}
	// EAGAIN means that it rings already.
	_, _ = unix.Write(p.bell, one[:])
}

func (p *Poller) run() {
	defer close(p.done)
	var events [64]unix.EpollEvent
	for {
		patience := p.patience()
		n, err := unix.EpollWait(p.ep, events[:], patience)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return
		}
		for _, e := range events[:n] {
			if e.Fd == 0 {
				if !p.answerBell() {
					return
				}
				continue
			}
			p.mu.Lock()
			s := p.sources[e.Fd]
			p.mu.Unlock()
			if s != nil {
				if wake := s.take(); wake != nil {
					wake()
				}
			}
		}
		if patience >= 0 {
			p.lookAtRefused()
		}
	}
}

// answerBell runs what Soon left and reports whether the loop goes on.
func (p *Poller) answerBell() bool {
	var count [8]byte
	_, _ = unix.Read(p.bell, count[:])
	p.mu.Lock()
	soon, closing := p.soon, p.closing
	p.soon = nil
	p.mu.Unlock()
	for _, f := range soon {
		f()
	}
	return !closing
}

// Watch makes a source of fd, which the caller keeps open until it has called Forget.
func (p *Poller) Watch(fd int) *Source { return &Source{p: p, fd: fd} }

// Arm is Waiter.Arm. A source that is forgotten wakes its waiter, whose next try finds out why.
func (s *Source) Arm(want Ready, wake func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.await(want, wake) {
		return
	}
	if err := s.ask(); err != nil {
		s.p.refuse(s, err)
	}
}

// Await is Arm for Wake and Forget alone, whatever becomes of the descriptor.
func (s *Source) Await(wake func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.await(0, wake)
}

// await has a waiter wait, or wakes it now and reports false. The caller holds s.mu.
func (s *Source) await(want Ready, wake func()) bool {
	if s.closed || s.missed {
		s.missed = false
		s.p.Soon(wake)
		return false
	}
	s.wake, s.want = wake, want
	return true
}

// ask has epoll watch the source for what it was armed for. The caller holds s.mu.
func (s *Source) ask() error {
	op := unix.EPOLL_CTL_MOD
	if !s.known {
		op = unix.EPOLL_CTL_ADD
	}
	if s.token == 0 {
		s.token = s.p.name(s)
	}
	// POLLERR and POLLHUP are reported whether asked for or not.
	ev := unix.EpollEvent{Events: uint32(s.want) | unix.EPOLLONESHOT, Fd: s.token}
	err := unix.EpollCtl(s.p.ep, op, s.fd, &ev)
	if err == nil && !s.known {
		s.known = true
		s.p.watched.Add(1)
	}
	return err
}

// name gives a source the number that epoll knows it by. In the end numbers come again: those that sources of
// long ago still have are passed over.
func (p *Poller) name(s *Source) int32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.sources[p.next] != nil {
		p.next = max(1, p.next+1)
	}
	token := p.next
	p.next = max(1, token+1)
	p.sources[token] = s
	return token
}

// Disarm takes back what was asked of the descriptor; Wake still wakes whoever waits. A waiter that is
// about to change the state itself, and looks after that, is spared being told.
func (s *Source) Disarm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if !s.known {
		s.p.forgetRefused(s)
		return
	}
	// Modified to no events it would still wake the poller: epoll adds EPOLLERR, and a queue's wake-ups do
	// not say what they are for. An error leaves it armed, which only costs.
	if unix.EpollCtl(s.p.ep, unix.EPOLL_CTL_DEL, s.fd, nil) == nil {
		s.known = false
		s.p.watched.Add(-1)
	}
}

func (s *Source) take() func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	wake := s.wake
	s.wake = nil
	return wake
}

// Wake wakes whoever waits, as if the descriptor had become ready. One that has just found nothing and is
// about to Arm is woken then.
func (s *Source) Wake() {
	s.mu.Lock()
	wake := s.wake
	s.wake, s.missed = nil, wake == nil
	s.mu.Unlock()
	if wake != nil {
		s.p.Soon(wake)
	}
}

// Forget ends the watch, so that the descriptor can be closed, and wakes whoever waits.
func (s *Source) Forget() {
	s.mu.Lock()
	s.closed = true
	if s.token != 0 {
		s.p.mu.Lock()
		delete(s.p.sources, s.token)
		delete(s.p.refused, s)
		s.p.mu.Unlock()
	}
	if s.known {
		_ = unix.EpollCtl(s.p.ep, unix.EPOLL_CTL_DEL, s.fd, nil)
		s.known = false
		s.p.watched.Add(-1)
	}
	s.mu.Unlock()
	s.Wake()
}

// PollNow is poll(2) with no wait.
func PollNow(fd int, want Ready) Ready {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: int16(want)}}
	if _, err := unix.Poll(fds[:], 0); err != nil {
		return 0
	}
	return Ready(uint16(fds[0].Revents))
}
