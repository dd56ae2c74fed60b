package mount

import (
	"math"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// TestLateInterrupted: a request that lost the lead before it waits, and is interrupted by then, does not
// wait for ever.
func TestLateInterrupted(t *testing.T) {
	k := newKernel(t)
	_, _, lock := k.lockable()
	k.must(lock(opSetlk, 1, 0, math.MaxInt64))
	waits := lock(opSetlkw, 2, 0, math.MaxInt64)
	k.unique += 2
	as[fuse.InHeader](waits).Unique = k.unique
	k.s.idle.Store(1) // this goroutine
	k.s.lead.Lock()
	k.s.mu.Lock() // which holds it up
	kept := make(chan bool, 1)
	go func() { kept <- k.s.handleInTime(waits, make([]byte, bufferSize)) }()
	k.s.lead.Lock()
	k.interrupt(k.unique)
	k.s.mu.Unlock()
	if got := k.later(k.unique); got[0] != syscall.EINTR || <-kept {
		t.Errorf("%v", got)
	}
	if k.s.late.full(as[fuse.InHeader](waits).Uid) || len(k.s.late.all)+len(k.s.late.by) > 0 {
		t.Error("it counts as under way")
	}
}
