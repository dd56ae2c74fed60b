package mqueue

import (
	"maps"
	"os"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/tests/ledgerfd"
	"golang.org/x/sys/unix"
)

// safe has descriptors of an earlier process.
type safe map[uint64]int

func (safe) Keep(uint64, int)              {}
func (safe) Drop(uint64, backends.Closing) {}
func (s safe) Left() map[uint64]int        { return maps.Clone(s) }

// leftGone is leftOpen of a queue whose name is gone by then.
func leftGone(t *testing.T, accesses ...int) (*Queues, backends.Ref, safe) {
	t.Helper()
	return leftOpen(t, func(one *Queue) error { return mqUnlink(one.name) }, accesses...)
}

// leftOpen has Queues go on from a process that had a queue open for each access. then is called for it
// before.
func leftOpen(t *testing.T, then func(*Queue) error, accesses ...int) (*Queues, backends.Ref, safe) {
	t.Helper()
	_, q, one, _ := leasing(t)
	fd := ledgerfd.New(t)
	l, err := backends.OpenLedger(fd)
	if err != nil {
		t.Fatal(err)
	}
	l.Each(func(uint32, uint64, []byte, backends.Record) {})
	a, err := one.Stat()
	if err != nil {
		t.Fatal(err)
	}
	kept := safe{}
	var left []backends.Left
	for number, access := range accesses {
		if kept[uint64(number+1)], err = q.there(one.name, access); err != nil {
			t.Fatal(err)
		}
		left = append(left, backends.Left{Kind: backends.OpenRecord, Number: uint64(number + 1)})
	}
	if err := then(one); err != nil {
		t.Fatal(err)
	}
	next := NewQueues(q.poll, 2, 64)
	t.Cleanup(func() { next.Close() })
	next.LastsOpen(l, kept, left)
	next.Lasts(l, func(uint32) []backends.Left { return nil })
	return next, backends.Ref{Path: one.name, Was: a}, kept
}

// isOpen reports whether a descriptor is of this queue.
func isOpen(r backends.Ref, fd int) bool {
	a, err := backends.Fstat(fd)
	return err == nil && a.ID == r.Was.ID
}

// TestGoneByTwoDescriptors: a queue whose name is gone is one, also for those who have it open by several
// descriptors, as where the daemon may not read and write it at once.
func TestGoneByTwoDescriptors(t *testing.T) {
	next, r, _ := leftGone(t, unix.O_RDONLY, unix.O_WRONLY)
	var ends [2]*Queue
	for i, access := range []int{unix.O_RDONLY, unix.O_WRONLY} {
		var err error
		if ends[i], err = next.Open(r, access); err != nil {
			t.Fatal(err)
		}
		defer ends[i].Close()
	}
	if ends[1].EndReaders(); ends[0].Ends() != 1 {
		t.Errorf("the reader is ended %d times", ends[0].Ends())
	}
}

// TestGoneOpenedTwice: while all that was open is opened again a queue whose name is gone can be closed and
// opened again, and then goes with the last who closes it. What was left of it twice is open once.
func TestGoneOpenedTwice(t *testing.T) {
	next, r, kept := leftGone(t, unix.O_RDWR, unix.O_RDWR)
	for range 2 {
		one, err := next.Open(r, unix.O_RDWR)
		if err != nil {
			t.Fatal(err)
		}
		if one.kept != 1 {
			t.Errorf("it is kept by number %d", one.kept)
		}
		if err := one.Close(); err != nil {
			t.Fatal(err)
		}
	}
	last, err := next.Open(r, unix.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	next.Resumed()
	if !isOpen(r, kept[1]) || isOpen(r, kept[2]) {
		t.Error("another one than the first is open")
	}
	if err := last.Close(); err != nil || isOpen(r, kept[1]) {
		t.Errorf("it is open after %v", err)
	}
	if len(next.open) > 0 {
		t.Error("it is there")
	}
}

// TestGoneClosedEarly: a queue that was opened again, and closed, before all was, is closed then.
func TestGoneClosedEarly(t *testing.T) {
	next, r, kept := leftGone(t, unix.O_RDWR)
	one, err := next.Open(r, unix.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	one.Close()
	if next.Resumed(); isOpen(r, kept[1]) || len(next.open) > 0 {
		t.Error("it is open")
	}
}

// TestGoneThatFails: of what cannot be opened again the descriptor is closed once: its number may be another
// file's by then.
func TestGoneThatFails(t *testing.T) {
	next, r, kept := leftGone(t, unix.O_RDWR)
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(null)
	fd := kept[1]
	if err := unix.Dup3(null, fd, unix.O_CLOEXEC); err != nil { // which is no queue
		t.Fatal(err)
	}
	if _, err := next.Open(r, unix.O_RDWR); err != unix.ENOENT {
		t.Fatal(err)
	}
	if err := unix.Dup3(null, fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	_, _ = next.Open(r, unix.O_RDWR)
	next.Resumed()
	if _, err := backends.Fstat(fd); err != nil {
		t.Errorf("another file was closed: %v", err)
	}
}

// TestKeptOnceOpen: a queue is kept when the call returns that opened it, unless it is closed at once.
func TestKeptOnceOpen(t *testing.T) {
	q, r, _ := leftGone(t, unix.O_RDWR)
	o := backends.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0600}
	brief, err := q.CreateBriefly(r.Path, o, 2, 64)
	if err != nil {
		t.Fatal(err)
	}
	defer brief.Close()
	if brief.kept != 0 {
		t.Error("it is kept for a moment")
	}
	a, err := brief.Stat()
	if err != nil {
		t.Fatal(err)
	}
	one, err := q.Open(backends.Ref{Path: r.Path, Was: a}, unix.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if one.kept == 0 {
		t.Error("it is not kept")
	}
}

// TestLeftWithAnotherMode: a queue that an earlier process had open goes on, whatever its mode is by now. It has its
// name, and who opens it by that has the same.
func TestLeftWithAnotherMode(t *testing.T) {
	next, r, _ := leftOpen(t, func(one *Queue) error { return unix.Fchmod(one.fd, 0200) }, unix.O_RDWR)
	one, err := next.Open(r, unix.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if one.removed.Load() {
		t.Error("it counts as removed")
	}
	next.Resumed()
	a, err := next.Find(r.Path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := next.Open(backends.Ref{Path: r.Path, Was: a}, unix.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if other != one {
		t.Error("it is open as two")
	}
}

// closing is a safe that closes what it is to drop when somebody waits for it.
type closing struct {
	safe
	now func()
}

func (c closing) Drop(_ uint64, when backends.Closing) {
	if when == backends.CloseFirst {
		c.now()
	}
}

// TestRoomOfClosed: a queue that was closed and removed takes no room from the next one, though what keeps it
// closes it a moment later.
func TestRoomOfClosed(t *testing.T) {
	q, r, _ := leftGone(t, unix.O_RDWR)
	q.Resumed()
	limit := func(n uint64) (had unix.Rlimit) {
		if err := unix.Getrlimit(unix.RLIMIT_MSGQUEUE, &had); err != nil {
			t.Fatal(err)
		}
		if err := unix.Setrlimit(unix.RLIMIT_MSGQUEUE, &unix.Rlimit{Cur: n, Max: had.Max}); err != nil {
			t.Fatal(err)
		}
		return had
	}
	had := limit(0)
	defer limit(had.Cur)
	waits := 0
	q.dropped = q.let // what Resumed has let go
	q.safe = closing{now: func() { limit(had.Cur); waits++ }}
	o := backends.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0600}
	if _, err := q.CreateBriefly(r.Path, o, 2, 64); err != ErrBytes || waits > 0 {
		t.Errorf("it waits %d times where nothing was closed: %v", waits, err)
	}
	limit(had.Cur)
	for range 2 {
		one, err := q.Create(r.Path, o, 2, 64)
		if err != nil {
			t.Fatalf("after %d waits: %v", waits, err)
		}
		one.Close()
		if err := q.Remove(r.Path, backends.Cred{}); err != nil {
			t.Fatal(err)
		}
		limit(0)
	}
	if waits != 1 {
		t.Errorf("it waits %d times", waits)
	}
}

// TestDropKeptTwice: who finds no room while another one waits for what is closed waits for that, too.
func TestDropKeptTwice(t *testing.T) {
	q, _, _ := leftGone(t, unix.O_RDWR)
	q.Resumed()
	q.let++
	waits, also := 0, false
	q.safe = closing{now: func() {
		if waits++; waits == 1 {
			also = q.dropKept(q.dropped)
		}
	}}
	if one := q.dropKept(q.dropped); !one || !also || waits != 2 {
		t.Errorf("%v, and amid that %v, after %d waits", one, also, waits)
	}
	if q.dropKept(q.dropped) {
		t.Error("it waits for nothing")
	}
	if !q.dropKept(q.dropped - 1) {
		t.Error("who found no room before they were closed does not look again")
	}
}
