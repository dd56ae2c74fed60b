package backends

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What is to be woken while somebody holds the wakes is woken by the one who holds them, also what a wake
// wakes in turn. What takes longer than it may is left to the poller.
func TestHold(t *testing.T) {
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	woken := 0 // by this goroutine; the race detector tells of another one
	mine := func() { woken++ }
	p.Hold()
	p.Wake([]func(){mine, func() { woken++; p.Wake([]func(){mine}) }})
	if woken != 0 {
		t.Errorf("woke %d before Let", woken)
	}
	p.Let(time.Hour)
	if woken != 3 {
		t.Errorf("Let woke %d of 3", woken)
	}

	done := make(chan bool, 3)
	p.Hold()
	p.Wake([]func(){func() { done <- true }, func() { done <- true }})
	p.Let(0)
	p.Wake([]func(){func() { done <- true }})
	for range 3 {
		<-done
	}
}

// No call is lost, and none is made twice, whoever gives it while another goroutine holds, lets, and holds
// again.
func TestHoldWhileOthersWake(t *testing.T) {
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	const others, each = 4, 5000
	var made atomic.Int64
	var given, all sync.WaitGroup
	all.Add(others * each)
	for range others {
		given.Go(func() {
			for range each {
				p.Wake([]func(){func() { made.Add(1); all.Done() }})
			}
		})
	}
	over := make(chan struct{})
	go func() { given.Wait(); close(over) }()
	for done := false; !done; {
		select {
		case <-over:
			done = true
		default:
		}
		p.Hold()
		p.Let(time.Millisecond)
	}
	all.Wait()
	if n := made.Load(); n != others*each {
		t.Errorf("%d calls of %d", n, others*each)
	}
}
