package nodes

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

const unit = 8192 // msgsize of a queue, if nobody says otherwise

func numbers(n int) (msgs []stored, all string) {
	for i := range n {
		line := fmt.Sprintf("line %d", i)
		msgs = append(msgs, stored{data: line, meta: backends.Meta{Prio: 7, Type: i + 1}})
		all += line + "\n"
	}
	return msgs, all
}

// read reads once, with as much room behind what is asked for as the session gives.
func read(t *testing.T, f *File, size int, off int64) string {
	t.Helper()
	buf := make([]byte, 2*unit)
	n, err := f.Read(buf, size, off)
	if err != nil {
		t.Fatalf("read of %d at %d: %v", size, off, err)
	}
	return string(buf[:n])
}

// A read of lines with a buffer shorter than a message may be gets as many whole lines as fit, in order,
// each once.
func TestSmallReads(t *testing.T) {
	msgs, all := numbers(100)
	for name, p := range ports(unit, msgs...) {
		f := NewFile(staying(newLines(), p.stay), p.end, Seekable)
		got, reads := "", 0
		for ; len(got) < len(all); reads++ {
			part := read(t, f, 100, int64(len(got)))
			if !strings.HasSuffix(part, "\n") || len(part) > 100 {
				t.Fatalf("%s: read %q", name, part)
			}
			got += part
		}
		if got != all {
			t.Errorf("%s: got %q", name, got)
		}
		if few := len(all)/90 + 1; name != "mq read-only" && reads > few {
			t.Errorf("%s: %d reads, more than %d", name, reads, few)
		}
		if err := f.Finish(); err != nil || len(p.in.msgs) > 0 {
			t.Errorf("%s: %v, %q are left", name, err, p.in.texts())
		}
	}
}

// Records are packed by what they take, and keep what they carry.
func TestSmallReadsOfRecords(t *testing.T) {
	msgs, _ := numbers(40)
	all := ""
	for _, m := range msgs {
		all += fmt.Sprintf("prio=7 type=%d len=%d\n%s\n", m.meta.Type, len(m.data), m.data)
	}
	for name, p := range ports(unit, msgs...) {
		f := NewFile(staying(newRecords("prio", "type"), p.stay), p.end, InOrder)
		got, reads := "", 0
		for ; len(got) < len(all); reads++ {
			got += read(t, f, 500, 0)
		}
		if got != all || name == "mq" && reads > len(all)/450+1 {
			t.Errorf("%s: %d reads got %q", name, reads, got)
		}
	}
}

// What was taken and did not fit is given by the next read, also if that is a short one, and else goes back
// with its priority.
func TestHeldGoesBack(t *testing.T) {
	long := stored{strings.Repeat("x", 300), backends.Meta{Prio: 9}}
	short := stored{data: "short", meta: backends.Meta{Prio: 3}}
	q := &mq{port: port{unit: unit, maxmsg: 3, msgs: []stored{short, long, short}}}
	e := NewEnv(nil)
	open := func() *File { return e.File(newLines(), q, readOnly, Caller{}) }
	f := open()
	if got := read(t, f, 100, 0); got != "short\n" || len(q.msgs) != 1 {
		t.Fatalf("read %q and left %q", got, q.texts())
	}
	if f.Ready()&backends.In == 0 || e.Heap.Used(0) < 300 {
		t.Errorf("ready %b, %d bytes counted", f.Ready(), e.Heap.Used(0))
	}
	if got := read(t, f, 100, 6) + read(t, f, 100, 106) + read(t, f, 150, 206); got != long.data+"\n" {
		t.Errorf("read %q", got)
	}
	if got := read(t, f, 100, 307); got != "short\n" {
		t.Errorf("then read %q", got)
	}
	f.Close()

	// Put back when there is room.
	q.msgs = []stored{short, long, short}
	f = open()
	read(t, f, 100, 0)
	q.msgs = append(q.msgs, short, short)
	if err := f.Finish(); err != backends.ErrWouldBlock {
		t.Fatalf("into a full queue: %v", err)
	}
	q.msgs = q.msgs[1:]
	if err := f.Finish(); err != nil || !slices.Equal(q.msgs, []stored{short, short, long}) {
		t.Errorf("into a queue with room: %v, %+v", err, q.msgs)
	}
	if err := f.Finish(); err != nil || len(q.msgs) != 3 {
		t.Errorf("again: %v, %q", err, q.texts())
	}
	if f.Close(); e.Heap.Used(0) != 0 {
		t.Errorf("%d bytes still counted", e.Heap.Used(0))
	}

	// What is held of a queue that is removed goes with it.
	q.msgs = []stored{short, long}
	f = open()
	read(t, f, 100, 0)
	q.removed = true
	if err := f.Finish(); err != nil || len(q.msgs) > 0 {
		t.Errorf("when it is removed: %v, %q", err, q.texts())
	}
}

// Nobody holds anything of a queue that the daemon may not write to, or if there is no memory left for it.
func TestNotHeld(t *testing.T) {
	msgs, _ := numbers(5)
	q := &mq{port: port{unit: unit, maxmsg: 10, msgs: slices.Clone(msgs)}, readOnly: true}
	read(t, NewFile(newLines(), q, Seekable), 100, 0)
	if len(q.msgs) != 4 {
		t.Errorf("read-only: %q are left", q.texts())
	}
	msgs, _ = numbers(unit / 5)
	q = &mq{port: port{unit: unit, maxmsg: len(msgs), msgs: msgs}}
	f := NewEnv(nil).File(newLines(), q, readOnly, Caller{})
	f.pays.add(maxHeld)
	if _, err := f.Read(make([]byte, 2*unit), 100, 0); err != syscall.ENOBUFS {
		t.Errorf("a small read without memory: %v", err)
	}
	if read(t, f, unit, 0); f.kept > 0 || len(q.msgs) == 0 {
		t.Errorf("%d bytes are kept without memory, %d messages are left", f.kept, len(q.msgs))
	}
}

// A read while others wait gets what its own file has, and takes nothing from them.
func TestRest(t *testing.T) {
	msgs := []stored{{data: "short"}, {data: strings.Repeat("x", 300)}, {data: "other's"}}
	q := &mq{port: port{unit: unit, maxmsg: 10, msgs: msgs}}
	f := NewFile(newLines(), q, InOrder)
	buf := make([]byte, 2*unit)
	if _, err := f.Rest(buf, 100, 0); err != backends.ErrWouldBlock {
		t.Errorf("nothing is held: %v", err)
	}
	read(t, f, 100, 0)
	if n, err := f.Rest(buf, 400, 0); n != 301 || err != nil || len(q.msgs) != 1 {
		t.Errorf("rest of %d bytes, %v; %q are left", n, err, q.texts())
	}
}
