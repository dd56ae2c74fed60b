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
	if n := settled(); n != 2 {
		t.Errorf("woken %d times after it was armed again", n)
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
