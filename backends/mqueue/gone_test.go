package mqueue

import (
	"maps"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// safe has descriptors of an earlier process.
type safe map[uint64]int

func (safe) Keep(uint64, int)       {}
func (safe) Drop(uint64, bool)      {}
func (s safe) Left() map[uint64]int { return maps.Clone(s) }

// TestGoneByTwoDescriptors: a queue whose name is gone is one, also for those who have it open by several
// descriptors, as where the daemon may not read and write it at once.
func TestGoneByTwoDescriptors(t *testing.T) {
	_, q, one, _ := leasing(t)
	fd, err := backends.NewLedger()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
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
	for number, access := range []int{unix.O_RDONLY, unix.O_WRONLY} {
		if kept[uint64(number)], err = q.there(one.name, access); err != nil {
			t.Fatal(err)
		}
		left = append(left, backends.Left{Kind: backends.GoneRecord, Number: uint64(number)})
	}
	if err := mqUnlink(one.name); err != nil {
		t.Fatal(err)
	}
	next := NewQueues(q.poll, 2, 64)
	defer next.Close()
	next.LastsGone(l, kept, left)
	next.Lasts(l, func(uint32) []backends.Left { return nil })
	var ends [2]*Queue
	for i, access := range []int{unix.O_RDONLY, unix.O_WRONLY} {
		if ends[i], err = next.Open(backends.Ref{Path: one.name, Was: a}, access); err != nil {
			t.Fatal(err)
		}
		defer ends[i].Close()
	}
	if ends[1].EndReaders(); ends[0].Ends() != 1 {
		t.Errorf("the reader is ended %d times", ends[0].Ends())
	}
}
