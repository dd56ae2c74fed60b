package backends

import (
	"math"
	"testing"

	"golang.org/x/sys/unix"
)

// bell is a source of events, watched until the test ends.
func bell(t *testing.T) (p *Poller, s *Source, fd int) {
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	s = p.Watch(fd)
	t.Cleanup(s.Forget)
	return p, s, fd
}

// A source that is disarmed is silent, but can be woken by hand and armed again.
func TestDisarm(t *testing.T) {
	p, s, fd := bell(t)
	woken := make(chan bool, 8)
	wake := func() { woken <- true }
	// settled waits until the poller has looked at everything that happened before.
	settled := func() int {
		done := make(chan bool)
		p.Soon(func() { close(done) })
		<-done
		return len(woken)
	}
	s.Disarm() // of what was never armed
	s.Arm(In, wake)
	s.Disarm()
	if _, err := unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if n := settled(); n != 0 {
		t.Errorf("woken %d times while disarmed", n)
	}
	s.Wake()
	if n := settled(); n != 1 {
		t.Errorf("Wake woke %d times", n)
	}
	s.Arm(In, wake)
	for range 2 {
		<-woken // by Wake, and now that it is armed again
	}
}

// A Wake between a try and the Arm that follows it is not lost.
func TestWakeBeforeArm(t *testing.T) {
	_, s, _ := bell(t)
	woken := make(chan bool, 8)
	s.Wake()
	s.Arm(In, func() { woken <- true })
	<-woken
}

// Sources that are watched for long are not forgotten when numbers come again.
func TestNumbersComeAgain(t *testing.T) {
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	woken := make(chan int, 8)
	var sources [3]*Source
	for i := range sources {
		bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(bell)
		if i == 2 {
			p.next = math.MaxInt32
		}
		sources[i] = p.Watch(bell)
		defer sources[i].Forget()
		sources[i].Arm(In, func() { woken <- i })
		if i == 2 {
			p.next = math.MaxInt32
		}
	}
	last := p.Watch(p.bell)
	if got := p.name(last); got != 3 {
		t.Errorf("the next number is %d", got)
	}
	for _, s := range sources {
		if _, err := unix.Write(s.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
			t.Fatal(err)
		}
	}
	var got [3]bool
	for range sources {
		got[<-woken] = true
	}
	if got != [3]bool{true, true, true} {
		t.Error(got)
	}
}

// A source that epoll refuses costs no processor time, its waiter is told all the same, and epoll has it as
// soon as it takes it (fs.epoll.max_user_watches). Here it refuses with ELOOP: the source has the poller's
// own epoll instance in it.
func TestRefused(t *testing.T) {
	p, _, fd := bell(t)
	told := make(chan error, 8)
	p.TellRefusals(func(err error) { told <- err })
	loop, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(loop) })
	add := func(fd int, events uint32) {
		t.Helper()
		if err := unix.EpollCtl(loop, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events}); err != nil {
			t.Fatal(err)
		}
	}
	add(fd, unix.EPOLLIN)
	add(p.ep, 0)
	s := p.Watch(loop)
	t.Cleanup(s.Forget)

	var tries int // as a gate: nothing yet, and armed again; the poller's goroutine's own
	woken := make(chan int, 8)
	var wake func()
	wake = func() {
		if tries++; PollNow(loop, In) == 0 {
			s.Arm(In, wake)
			return
		}
		woken <- tries
	}
	round := func() { // the poller has run what it was to run
		done := make(chan bool)
		p.Soon(func() { close(done) })
		<-done
	}
	ring := func() {
		t.Helper()
		if _, err := unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
			t.Fatal(err)
		}
		if n := <-woken; n != 1 {
			t.Errorf("tried %d times", n)
		}
		tries = 0
		if _, err := unix.Read(fd, make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
	}
	s.Arm(In, wake)
	for range 100 {
		round()
	}
	if err := <-told; err != unix.ELOOP {
		t.Errorf("told of %v", err)
	}
	ring()
	s.Arm(In, wake)
	s.Disarm()
	if p.patience() != -1 {
		t.Error("one that is disarmed is looked at")
	}

	s.Arm(In, wake)
	if err := unix.EpollCtl(loop, unix.EPOLL_CTL_DEL, p.ep, nil); err != nil {
		t.Fatal(err)
	}
	for p.patience() != -1 { // until epoll has it
		round()
	}
	if n := p.Limits()[0].Used; n != 1 {
		t.Errorf("epoll has %d", n)
	}
	ring()
	if len(told) > 0 {
		t.Error("told again within a minute")
	}
}
