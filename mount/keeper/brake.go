package keeper

import (
	"fmt"
	"time"
)

// brake says when workers end too often.
type brake struct {
	own    []time.Time // by themselves
	all    []time.Time // or killed by others
	dead   int         // how many one after the other never served
	unable time.Time   // since when none could be started, or was let start; zero: the last one could
}

const (
	mostOwn     = 5
	mostAll     = 500 // one that is killed each time after it has served harms nobody
	crashPeriod = 10 * time.Second
	longPause   = 2 * time.Second
	// unableLimit is how long a machine may refuse a process, a descriptor, or memory.
	unableLimit = time.Minute
)

// pause notes an end, and says how long to wait before the next start: nothing after the first, as somebody
// waits. Where there were too many, it says of what, in words; else "". What the machine refuses to start, or
// kills before it serves, is tried for longer than what ends by itself.
func (b *brake) pause(now time.Time, w *worker) (time.Duration, string) {
	refused := w.err != nil || w.killed()
	b.dead++
	switch {
	case w.live || !refused:
		b.unable = time.Time{}
	case b.unable.IsZero():
		b.unable = now
	}
	if w.live {
		b.dead = 0
	}
	b.all = append(since(b.all, now.Add(-crashPeriod)), now)
	if !refused {
		b.own = append(since(b.own, now.Add(-crashPeriod)), now)
	}
	switch {
	case len(b.own) >= mostOwn:
		return 0, fmt.Sprintf("%d workers have ended by themselves in %v", len(b.own), crashPeriod)
	case len(b.all) >= mostAll:
		return 0, fmt.Sprintf("%d workers have ended in %v", len(b.all), crashPeriod)
	case b.dead >= mostOwn && !refused:
		return 0, fmt.Sprintf("%d workers one after the other have never served", b.dead)
	case !b.unable.IsZero() && now.Sub(b.unable) > unableLimit:
		return 0, fmt.Sprintf("for %v none could be started, or served before it was killed", unableLimit)
	}
	if n := max(len(b.own), b.dead); n > 1 {
		return min(longPause, 50*time.Millisecond<<min(n, 10)), ""
	}
	return 0, ""
}

// since are the times after start, of times in their order.
func since(times []time.Time, start time.Time) []time.Time {
	for len(times) > 0 && times[0].Before(start) {
		times = times[1:]
	}
	return times
}
