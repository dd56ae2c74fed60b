package backends

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestCounts: another process goes on with what was counted, under the name that it had, and a message or a
// call that an earlier one counted is not counted again.
func TestCounts(t *testing.T) {
	fd, err := NewLedger()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var left []Left
	next := func() *Ledger {
		l, err := OpenLedger(fd)
		if err != nil {
			t.Fatal(err)
		}
		left = nil
		l.Each(func(kind uint32, number uint64, data []byte, r Record) {
			left = append(left, Left{Kind: kind, Number: number, Data: data, Record: r})
		})
		return l
	}
	l := next()
	var r Record
	n := l.Counts(&r, CallCounts, 7, 3, "queues")
	Flows(n[1:])[0].Add(-1, 5)
	l.Total(Requests).Add(2)
	d := l.Desk()
	d.Begin(4)
	d.Sent(1)
	d.Count(&n[0], 1)
	d.Sent(1) // and killed before it is counted
	if !d.Tells() || d.Tells() {
		t.Error("a call is not counted once")
	}

	l = next()
	if len(left) != 1 || left[0].Number != 7 || left[0].CountsOf(3) != "queues" {
		t.Fatal(left)
	}
	n = l.Counts(&left[0].Record, CallCounts, 7, 3, "queues")
	d = l.Unfinished(0)[0]
	d.Resume()
	for range 2 {
		if _, ok := d.SentAgain(); !ok {
			t.Fatal("it does not know what was sent")
		}
		d.Count(&n[0], 1)
	}
	flow := &Flows(n[1:])[0]
	if a, b := n[0].Load(), flow.Moved(); a != 2 || b != (Moved{-1, 5}) || d.Tells() || l.Total(Requests).Load() != 2 {
		t.Errorf("it has %d and %v", a, b)
	}
	d.Begin(6)
	if d.Sent(1); !d.Tells() {
		t.Error("another call is not counted")
	}
	flow = &Flows(n)[0]
	for range 2 {
		d.CountIn(flow, 1, 20)
	}
	if flow.Moved() != (Moved{3, 19}) {
		t.Errorf("%v where another message is counted", flow.Moved())
	}
	if n = l.Counts(&left[0].Record, CallCounts, 7, 4, "queues"); n[0].Load() != 0 {
		t.Error("what has another size goes on")
	}
	var none *Ledger
	none.Counts(&r, CallCounts, 7, 1, "")[0].Add(1)
	none.Total(Requests).Add(1)
}
