package nats

import (
	"strconv"
	"testing"

	nats "github.com/nats-io/nats.go"
)

// TestPullsJoin: what many who fell asleep one after the other have the servers asked for becomes one pull
// when the first of theirs is over.
func TestPullsJoin(t *testing.T) {
	e := oneEnd()
	q, l := e.q, e.q.l
	q.prios = []uint32{0}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up, l.ticking = true, true // nothing is to be looked after
	const many = 100
	for range many {
		one := &end{q: q, reads: true}
		q.ends = append(q.ends, one)
		one.stand()
	}
	if len(q.pulls) != many {
		t.Fatalf("%d pulls for %d who wait", len(q.pulls), many)
	}
	l.pullEnded(strconv.FormatUint(q.pulls[many/2].number, 36), &nats.Msg{Header: nats.Header{"Status": {"408"}}})
	if len(q.pulls) != 1 || q.pulls[0].left != many {
		t.Errorf("%d pulls when the first is over, for %d messages", len(q.pulls), q.pulls[0].left)
	}
}
