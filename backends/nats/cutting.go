package nats

import "time"

// cutLimit is how long the answer to a try is waited for whose caller got a signal.
const cutLimit = 250 * time.Millisecond

// A cutting is what a try has of that limit.
type cutting struct {
	cutBy time.Time // whoever waits is let go then; zero: not
	cut   bool      // and is to be told so
}

func (c *cutting) cutAt(now time.Time) {
	if c.cutBy.IsZero() {
		c.cutBy = now.Add(cutLimit)
	}
}

// cuts reports whether the limit has come just now.
func (c *cutting) cuts(now time.Time) bool {
	if c.cutBy.IsZero() || !now.After(c.cutBy) {
		return false
	}
	c.cutBy, c.cut = time.Time{}, true
	return true
}
