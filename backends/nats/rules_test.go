package nats

import (
	"testing"
	"time"
)

// TestRulesOf: the metadata of a stream says what its queue is like, as far as somebody could have asked for
// that: a lease that is late at once, or thousands of consumers, nobody can.
func TestRulesOf(t *testing.T) {
	l := &Link{c: Config{Rules: QueueRules{Redeliver: 7 * time.Second}}}
	for _, c := range []struct {
		priorities, redeliver string
		most                  int
		after                 time.Duration
	}{
		{"3", "1m", 3, time.Minute},
		{"", "", 16, 7 * time.Second},
		{"1000000", "1ns", 16, 7 * time.Second},
		{"-1", "-1h", 16, 7 * time.Second},
		{"x", "9999h", 16, 7 * time.Second},
	} {
		var config streamConfig
		config.Metadata = map[string]string{metaPriorities: c.priorities, metaRedeliver: c.redeliver}
		if r := l.rulesOf(&config); r.Priorities != c.most || r.Redeliver != c.after {
			t.Errorf("%+v: %+v", c, r)
		}
	}
}
