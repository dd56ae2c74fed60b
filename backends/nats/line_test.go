package nats

import (
	"slices"
	"testing"
	"unsafe"
)

// TestLine: ends stand in a line by their turns, and leave it from anywhere.
func TestLine(t *testing.T) {
	var l line
	ends := make([]end, 5)
	for i := range ends {
		ends[i].turn = uint64(i)
	}
	order := func() (list []uint64) {
		before := (*end)(nil)
		for e := l.first; e != nil; before, e = e, e.next {
			if e.before != before || !e.stands {
				t.Fatalf("the place of %d is wrong", e.turn)
			}
			list = append(list, e.turn)
		}
		if l.last != before || l.n != len(list) {
			t.Fatalf("%d in line, of %d", l.n, len(list))
		}
		return list
	}
	for _, step := range []struct {
		insert bool
		turn   int
		want   []uint64
	}{
		{true, 2, []uint64{2}}, {true, 0, []uint64{0, 2}}, {true, 4, []uint64{0, 2, 4}},
		{true, 3, []uint64{0, 2, 3, 4}}, {true, 1, []uint64{0, 1, 2, 3, 4}},
		{false, 2, []uint64{0, 1, 3, 4}}, {false, 0, []uint64{1, 3, 4}}, {false, 4, []uint64{1, 3}},
		{true, 0, []uint64{0, 1, 3}}, {false, 1, []uint64{0, 3}}, {false, 3, []uint64{0}}, {false, 0, nil},
	} {
		if step.insert {
			l.insert(&ends[step.turn])
		} else {
			l.remove(&ends[step.turn])
		}
		if got := order(); !slices.Equal(got, step.want) {
			t.Fatalf("%v, want %v", got, step.want)
		}
	}
}

// TestSmall: what an end takes that only waits does not grow unnoticed.
func TestSmall(t *testing.T) {
	if size, most := unsafe.Sizeof(end{}), uintptr(128); size > most {
		t.Errorf("%d bytes, at most %d wanted", size, most)
	}
}
