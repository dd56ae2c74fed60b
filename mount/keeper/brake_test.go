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
		says    string
	}{
		{"they serve, and crash at once", time.Second, worker{live: true}, 5, time.Minute,
			"5 workers have ended by themselves in 10s"},
		{"they serve for a while", 3 * time.Second, worker{live: true}, 0, time.Hour, ""},
		{"they never serve", 20 * time.Second, worker{}, 5, time.Hour,
			"5 workers one after the other have never served"},
		{"they cannot be started", 2 * time.Second, worker{err: errors.New("no")}, 32, time.Hour,
			"for 1m0s none could be started, or served before it was killed"},
		{"they are killed all the time", time.Millisecond, worker{live: true, stuck: true}, 500, time.Minute,
			"500 workers have ended in 10s"},
	} {
		var b brake
		ends, says := 0, ""
		for at := time.Duration(0); at < c.through; at += c.every {
			ends++
			if _, says = b.pause(start.Add(at), &c.w); says != "" {
				break
			}
			if at+c.every >= c.through {
				ends = 0
			}
		}
		if ends != c.most || says != c.says {
			t.Errorf("%s: %d ends and %q, want %d and %q", c.what, ends, says, c.most, c.says)
		}
	}
}
