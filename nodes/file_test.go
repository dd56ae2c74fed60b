package nodes

import (
	"bytes"
	"syscall"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

// source is an endpoint that always has a message of unit bytes; a lender lends the same one again and again.
type source struct {
	backends.Endpoint
	unit int
}

func (s source) Unit() int    { return s.unit }
func (s source) Close() error { return nil }
func (s source) TryRead(p []byte) (int, backends.Meta, error) {
	return s.unit, backends.Meta{}, nil
}
func (s source) TryWrite(p []byte, _ backends.Meta) (int, error) { return len(p), nil }

type lender struct {
	source
	msg *[1 << 20]byte
}

func (l lender) TryLend(int) ([]byte, backends.Meta, error) { return l.msg[:], backends.Meta{}, nil }

// TestHeld: a user's open files hold so much of messages that were read in part, and no more; what is lent
// to many counts once; messages that were read to their end are in nobody's way; all of it is given back.
func TestHeld(t *testing.T) {
	const unit = 1 << 20
	e := NewEnv(nil)
	by := Caller{Uid: 7}
	buf := make([]byte, unit+4096)
	var files []*File
	open := func(end backends.Endpoint, face Face) *File {
		f := e.File(face, end, readOnly, by)
		files = append(files, f)
		return f
	}
	shared := lender{source{unit: unit}, new([unit]byte)}
	for range 1000 {
		if _, err := open(shared, &Plain{}).Read(buf, 10, 0); err != nil {
			t.Fatal(err)
		}
	}
	if used := e.Heap.Used(7); used != unit {
		t.Errorf("one message in 1000 hands counts %d", used)
	}
	// Whole messages may be kept to be read again, in half of the room.
	for range 100 {
		if n, err := open(source{unit: unit}, &Plain{}).Read(buf, unit, 0); n != unit || err != nil {
			t.Fatal(n, err)
		}
	}
	if used := e.Heap.Used(7); used > maxHeld/2+2*unit {
		t.Errorf("%d bytes are held that nobody needs", used)
	}
	var err error
	parts := 0
	for ; err == nil; parts++ {
		_, err = open(source{unit: unit}, &Plain{}).Read(buf, 10, 0)
	}
	if err != syscall.ENOBUFS || parts < maxHeld/2/unit-2 || e.Heap.Used(7) > maxHeld+2*unit {
		t.Errorf("%d messages in part, %d bytes held: %v", parts, e.Heap.Used(7), err)
	}
	unfinished := bytes.Repeat([]byte("x"), 10)
	if _, err := open(source{unit: unit}, newLines()).Write(unfinished); err != syscall.ENOBUFS {
		t.Errorf("an unfinished line: %v", err)
	}
	if n, err := open(source{unit: unit}, &Plain{}).Read(buf, unit, 0); n != unit || err != nil {
		t.Errorf("a whole message: %d, %v", n, err)
	}
	by = Caller{Uid: 8}
	if _, err := open(source{unit: unit}, &Plain{}).Read(buf, 10, 0); err != nil {
		t.Errorf("another user: %v", err)
	}
	line := open(source{unit: unit}, newLines())
	if _, err := line.Write(bytes.Repeat([]byte("x"), unit/2)); err != nil || e.Heap.Used(8) < unit/2 {
		t.Errorf("an unfinished line counts %d: %v", e.Heap.Used(8), err)
	}
	for _, f := range files {
		f.Close()
	}
	for uid, a := range e.allow {
		if e.Heap.Used(uid) != 0 || len(a.lent) != 0 {
			t.Errorf("user %d still holds %d bytes in %d messages", uid, e.Heap.Used(uid), len(a.lent))
		}
	}
}
