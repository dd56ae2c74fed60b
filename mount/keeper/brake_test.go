package keeper

import (
	"errors"
	"testing"
	"time"
)

// TestBrake: five workers that end by themselves in ten seconds are too many, and so are five that never
// served. What the machine refuses is tried for a minute.
func TestBrake(t *testing.T) {
	start := time.Now()
	for _, c := range []struct {
		what    string
		every   time.Duration
		w       worker
		most    int // ends until there are too many; 0: there never are
		through time.Duration
	}{
		{"they serve, and crash at once", time.Second, worker{live: true}, 5, time.Minute},
		{"they serve for a while", 3 * time.Second, worker{live: true}, 0, time.Hour},
		{"they never serve", 20 * time.Second, worker{}, 5, time.Hour},
		{"they cannot be started", 2 * time.Second, worker{err: errors.New("no")}, 32, time.Hour},
	} {
		var b brake
		ends := 0
		for at := time.Duration(0); at < c.through; at += c.every {
			ends++
			if _, ok := b.pause(start.Add(at), &c.w); !ok {
				break
			}
			if at+c.every >= c.through {
				ends = 0
			}
		}
		if ends != c.most {
			t.Errorf("%s: %d ends, want %d", c.what, ends, c.most)
		}
	}
}
