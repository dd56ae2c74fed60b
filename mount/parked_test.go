package mount

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// TestWaiters: requests stay in the order they came, whichever of them leave.
func TestWaiters(t *testing.T) {
	var l waiters
	var want []*parked
	r := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		if n := len(want); n > 0 && r.IntN(9) < n {
			at := r.IntN(n)
			l.remove(want[at])
			if want[at].line != nil {
				t.Fatal("a request that left is still in line")
			}
			want = slices.Delete(want, at, at+1)
		} else {
			p := &parked{}
			l.push(p)
			want = append(want, p)
		}
		var there, back []*parked
		for p := l.first; p != nil; p = p.next {
			there = append(there, p)
		}
		for p := l.last; p != nil; p = p.before {
			back = append(back, p)
		}
		slices.Reverse(back)
		if !slices.Equal(there, want) || !slices.Equal(back, want) || int(l.n) != len(want) {
			t.Fatalf("%d of %d, %d from behind", len(there), len(want), len(back))
		}
	}
}

// TestOnItsWay: a request that is on its way never counts as one that waits. The read of ctl/status is one, whose
// worker counts while it is parked.
func TestOnItsWay(t *testing.T) {
	w := waiting{all: map[uint64]*parked{}, byUid: map[uint32]cost{}}
	var l waiters
	p := &parked{settles: true}
	l.push(p)
	if errno := w.add(p, false); errno != 0 || w.count() != 0 || l.n-l.away != 0 {
		t.Errorf("%v, %d wait, %d in line", errno, w.count(), l.n-l.away)
	}
	if w.settle(p, false); w.count() != 1 || l.n-l.away != 1 {
		t.Errorf("%d wait, %d in line", w.count(), l.n-l.away)
	}
	w.settle(p, true)
	l.remove(p)
	if w.remove(p); w.count() != 0 || w.away != 0 || l != (waiters{}) {
		t.Errorf("%d wait, %d are on their way, %v", w.count(), w.away, l)
	}
}

// TestMoments: since when somebody waits is told by the clock as it is set now, also on a machine that sets
// it when it has a network; and always the same.
func TestMoments(t *testing.T) {
	was := epoch
	defer func() { epoch = was }()
	when := now()
	for range 1000 {
		if first, again := when.time(), when.time(); !first.Equal(again) {
			t.Fatalf("%v, and then %v", first, again)
		}
	}
	*(*uint64)(unsafe.Pointer(&epoch)) -= 3600 << 30 // the seconds of its wall clock: it was an hour behind then
	if since := was.Round(0).Sub(epoch.Round(0)); since != time.Hour {
		t.Fatalf("the clock was set by %v", since)
	}
	if off := time.Now().Round(0).Sub(now().time().Round(0)); off.Abs() > 2*time.Second {
		t.Errorf("who waits since now waits for %v", off)
	}
}

// TestLeftUnparked: a request that would have to wait, when those who wait are left to the next process, has
// no answer: it comes again there.
func TestLeftUnparked(t *testing.T) {
	k := newKernel(t)
	_, read, _ := k.open(k.queue(), syscall.O_RDONLY)
	k.s.waiting.settled(time.Hour)
	k.send(read)
	k.silent()
}
