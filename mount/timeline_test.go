package mount

import (
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/tests/ledgerfd"
)

// TestTimeline: another process knows of a request that the kernel brings again since when it waits: no less
// than it does, and by a second more, or a sixteenth.
func TestTimeline(t *testing.T) {
	fd := ledgerfd.New(t)
	next := func() *timeline {
		ledger, err := backends.OpenLedger(fd)
		if err != nil {
			t.Fatal(err)
		}
		var left []backends.Left
		ledger.Each(func(kind uint32, number uint64, data []byte, r backends.Record) {
			left = append(left, backends.Left{Kind: kind, Number: number, Data: data, Record: r})
		})
		l := &timeline{}
		l.begin(ledger, left)
		return l
	}
	l := next()
	came := map[uint64]moment{}
	at, step := moment(0), time.Millisecond
	for request := uint64(2); at < moment(10*time.Hour); request += 2 {
		if l.since(request, at) != at {
			t.Fatal("one that has just come has waited")
		}
		came[request] = at
		if step += step / 1000; step > 10*time.Second {
			step = time.Millisecond // many in a short time, and few in a long one
		}
		at += moment(step)
	}
	if n := len(l.list); n > 400 {
		t.Errorf("there are %d marks", n)
	}
	l = next()
	for request, was := range came {
		since := l.since(request|1<<63, at)
		if since > was || was-since > max(moment(2*time.Second), (at-was)/15) {
			t.Fatalf("%d came at %v, and it says %v; now is %v", request, time.Duration(was), time.Duration(since),
				time.Duration(at))
		}
	}
	if l := (&timeline{}); l.since(1<<63|2, at) != at || l.since(4, at) != at {
		t.Error("without a ledger nothing is known")
	}
}
