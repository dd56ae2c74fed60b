package nats

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

// TestUnsure: what is sent once more after nobody answered is known by its ids, what is not the same is not,
// and no message is kept for that.
func TestUnsure(t *testing.T) {
	const files = 64
	long, short := bytes.Repeat([]byte("x"), 1<<19), []byte("y")
	list := []backends.Message{{Data: long}, {Data: short, Meta: backends.Meta{Prio: 1}}}
	other := []backends.Message{{Data: long}, {Data: short}}
	var ends []*end
	var had, has runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&had)
	for range files {
		e := oneEnd()
		s := e.sending(list)
		s.id(1)
		s.failed(errTimeout)
		ends = append(ends, e)
	}
	runtime.GC()
	runtime.ReadMemStats(&has)
	if n := int64(has.HeapAlloc) - int64(had.HeapAlloc); n > files<<18 {
		t.Errorf("%d files that nobody answered take %d bytes", files, n)
	}
	first := ends[0].writer.unsure.ids
	if s := ends[0].sending(list); !s.before || s.id(0) != first[0] || s.id(1) != first[1] {
		t.Error("the same messages do not have the same ids")
	}
	if s := ends[1].sending(other); s.before {
		t.Error("other messages have the same ids")
	}
	e := ends[2]
	e.q.l.up = true
	left := e.sending(list) // whose caller got a signal
	e.out, left.asked, left.n = left, false, len(list)
	left.finish(nil)
	if n, err := e.TrySend(list); left.list != nil || n != len(list) || err != nil {
		t.Errorf("%d messages were stored meanwhile, %v, and %d are kept", n, err, len(left.list))
	}
}
