package mqueue

import (
	"maps"
	"os"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// safe has descriptors of an earlier process.
type safe map[uint64]int

func (safe) Keep(uint64, int)       {}
func (safe) Drop(uint64, bool)      {}
func (safe) DropSoon(uint64)        {}
func (s safe) Left() map[uint64]int { return maps.Clone(s) }

// leftGone has a queue's name be gone, and other Queues go on from a process that had it open for each access.
func leftGone(t *testing.T, accesses ...int) (*Queues, backends.Ref, safe) {
	t.Helper()
	_, q, one, _ := leasing(t)
	fd := ledgerFd(t)
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
		left = append(left, backends.Left{Kind: backends.GoneRecord, Number: uint64(number + 1)})
	}
	if err := mqUnlink(one.name); err != nil {
		t.Fatal(err)
	}
	next := NewQueues(q.poll, 2, 64)
	t.Cleanup(func() { next.Close() })
	next.LastsGone(l, kept, left)
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
