package keeper

import "time"

// brake says when workers end too often.
type brake struct {
	own  []time.Time // by themselves
	all  []time.Time // or killed by others
	dead int         // how many one after the other never served
}

const (
	mostOwn     = 5
	mostAll     = 500 // one that is killed each time after it has served harms nobody
	crashPeriod = 10 * time.Second
	longPause   = 2 * time.Second
)

// pause notes an end, and says how long to wait before the next start: nothing after the first, as somebody
// waits. false: there were too many.
func (b *brake) pause(now time.Time, served, killed bool) (time.Duration, bool) {
	if b.dead++; served {
		b.dead = 0
	}
	b.all = append(since(b.all, now.Add(-crashPeriod)), now)
	if !killed {
		b.own = append(since(b.own, now.Add(-crashPeriod)), now)
	}
	if len(b.own) >= mostOwn || len(b.all) >= mostAll || b.dead >= mostOwn {
		return 0, false
	}
	if n := max(len(b.own), b.dead); n > 1 {
		return min(longPause, 50*time.Millisecond<<n), true
	}
	return 0, true
}

// since are the times after start, of times in their order.
func since(times []time.Time, start time.Time) []time.Time {
	for len(times) > 0 && times[0].Before(start) {
		times = times[1:]
	}
	return times
}
