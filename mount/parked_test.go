package mount

import (
	"math/rand/v2"
	"slices"
	"testing"
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
		if !slices.Equal(there, want) || !slices.Equal(back, want) || l.n != len(want) {
			t.Fatalf("%d of %d, %d from behind", len(there), len(want), len(back))
		}
	}
}
