package nodes

import (
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/tests/ledgerfd"
)

// TestRestOfCommand: a process that goes on does of a command what an earlier one had not done.
func TestRestOfCommand(t *testing.T) {
	fd := ledgerfd.New(t)
	next := func() *Acts {
		l, err := backends.OpenLedger(fd)
		if err != nil {
			t.Fatal(err)
		}
		var left []backends.Left
		l.Each(func(kind uint32, number uint64, data []byte, r backends.Record) {
			left = append(left, backends.Left{Kind: kind, Number: number, Data: data, Record: r})
		})
		a, err := NewActs(l, left)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	type killed struct{}
	do := func(a *Acts, all, want int64, end func(note func(int64))) {
		t.Helper()
		defer func() { _ = recover() }()
		_ = a.Command(7, func() error {
			left, note := a.Rest(7, all)
			if left != want {
				t.Errorf("%d is to be done, want %d", left, want)
			}
			end(note)
			return nil
		})
	}
	done := func(func(int64)) {}
	a := next()
	do(a, 9, 9, done)
	do(a, 5, 5, func(note func(int64)) { note(3); panic(killed{}) })
	a = next()
	do(a, 0, 0, func(func(int64)) { t.Error("the first command is done again") })
	do(a, 8, 3, done)
	do(a, 6, 6, func(note func(int64)) { panic(killed{}) })
	a = next()
	for range 2 {
		do(a, 0, 0, func(func(int64)) { t.Error("one that is done is done again") })
	}
	do(a, 2, 6, done)
}

// TestRestOfNobody: a request that ends while its command goes on has nothing noted.
func TestRestOfNobody(t *testing.T) {
	fd := ledgerfd.New(t)
	l, err := backends.OpenLedger(fd)
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewActs(l, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = a.Command(7, func() error {
		a.Over(7)
		left, note := a.Rest(7, 5)
		if note(0); left != 5 {
			t.Errorf("%d is to be done, want 5", left)
		}
		return nil
	})
}
