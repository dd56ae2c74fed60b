package backends

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ledgers are an empty ledger as one process has it, and what gives it as the next one does, whatever was
// done last.
func ledgers(t testing.TB) (l *Ledger, next func() *Ledger) {
	t.Helper()
	fd, err := NewLedger()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	next = func() *Ledger {
		l, err := OpenLedger(fd)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	return next(), next
}

func records(l *Ledger) map[uint64]string {
	all := map[uint64]string{}
	l.Each(func(_ uint32, number uint64, data []byte, _ Record) { all[number] = string(data) })
	return all
}

// TestLedger: another process finds each record as it was put last, and none that was dropped.
func TestLedger(t *testing.T) {
	l, next := ledgers(t)
	l.Each(nil)
	long := string(bytes.Repeat([]byte("long"), 100_000))
	var a, b, c Record
	for _, text := range []string{"x", long, "", "one"} {
		l.Put(&a, NodeRecord, 1, []byte(text))
	}
	l.Put(&b, NodeRecord, 2, []byte("two"))
	l.Put(&c, NodeRecord, 3, []byte(long))
	l.Drop(&b)
	l = next()
	all := records(l)
	if len(all) != 2 || all[1] != "one" || all[3] != long {
		t.Errorf("%d records, %q", len(all), all[1])
	}
	// Killed between the two stores of a change: the later one counts.
	before := a
	seq := *l.word(a.at)
	l.Put(&a, NodeRecord, 1, []byte("later"))
	*l.word(before.at) = seq
	if all = records(next()); all[1] != "later" {
		t.Errorf("it is %q", all[1])
	}
	var none *Ledger
	none.Put(&b, NodeRecord, 2, nil)
	none.Drop(&b)
	none.Beat()
}

// TestLedgerVersion: a ledger of another version is refused.
func TestLedgerVersion(t *testing.T) {
	l, _ := ledgers(t)
	fd, err := NewLedger()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	other := *l.word(0) + 1
	if _, err := unix.Pwrite(fd, (*[8]byte)(unsafe.Pointer(&other))[:], 0); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLedger(fd); err != ErrLedger {
		t.Error(err)
	}
}

// TestDesk: another process finds what went through the kernel, in whatever moment the one before was killed.
func TestDesk(t *testing.T) {
	l, next := ledgers(t)
	l.Each(nil)
	d := l.Desk()
	d.Begin(7)
	first := (*d.Room())[16:]
	copy(first, "first")
	d.Got(first[:5], Meta{Prio: 1})
	tray, prio := d.Tray(8)
	copy(tray, "ab") // the kernel writes it, and nobody sees that it does
	*prio = 2
	l = next()
	l.Each(nil)
	list := l.Unfinished(0)
	if len(list) != 1 || list[0].Unique() != 7 {
		t.Fatalf("%d desks", len(list))
	}
	again := list[0]
	again.Resume()
	p := (*again.Room())[16:]
	for _, want := range []string{"first", "ab"} {
		n, m, ok := again.Again(p)
		if !ok || string(p[:n]) != want || m.Prio == 0 {
			t.Errorf("%q, %v, want %q", p[:n], m, want)
		}
		p = p[n:]
	}
	if _, _, ok := again.Again(p); ok {
		t.Error("one more")
	}
	for _, sent := range []bool{false, true} { // a process that found out is killed, too, before it goes on
		again.SendsTo(5, 3, 2, 0)
		l = next()
		l.Each(nil)
		l.Resolve(6, func(int, uint32) bool { t.Error("it was another queue"); return true })
		asked := 0
		find := func(queued int, _ uint32) bool { asked += queued; return sent }
		l.Resolve(5, find)
		if l.Resolve(5, find); asked != 2 {
			t.Errorf("it is asked for %d", asked)
		}
		l = next()
		l.Each(nil)
		again = l.Unfinished(0)[0]
		again.Resume()
		again.Again(p)
		again.Again(p)
		if n, ok := again.SentAgain(); ok != sent || sent && n != 3 {
			t.Errorf("sent %v: %d, %v", sent, n, ok)
		}
	}
	again.Free()
	if l = next(); len(l.Unfinished(0)) > 0 {
		t.Error("it is not free")
	}
	// Of whoever has the desk next no message was about to be sent.
	l = next()
	l.Each(nil)
	d = l.Desk()
	d.Begin(8)
	d.SendsTo(5, 3, 2, 0)
	l = next()
	l.Each(nil)
	again = l.Unfinished(0)[0]
	again.Resume()
	again.Free()
	l.Resolve(5, func(int, uint32) bool { t.Error("a desk that is free is asked for"); return true })
	if d = l.Desk(); d != again {
		t.Fatal("it is another desk")
	}
	if d.Begin(9); d.Resumed() {
		t.Error("it goes on with what another request had begun")
	}
}

// TestLedgerForm: a process whose records have another form than those of the first one does not fit.
func TestLedgerForm(t *testing.T) {
	fd, err := NewLedger()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for i, form := range []uint64{5, 5, 7} {
		l, err := OpenLedger(fd)
		if err != nil {
			t.Fatal(err)
		}
		if fits := l.Fits(form); fits != (i < 2) {
			t.Errorf("process %d fits: %v", i, fits)
		}
	}
}

// TestEachInOrder: records come by their kinds and numbers, each once, as it was put last.
func TestEachInOrder(t *testing.T) {
	l, next := ledgers(t)
	for _, number := range []uint64{300, 2, 70} {
		for _, kind := range []uint32{KeptRecord, NodeRecord} {
			var r, twice Record
			l.Put(&r, kind, number, make([]byte, number))
			l.Put(&twice, kind, number, fmt.Append(nil, kind, number)) // as if it was killed before it freed the other
		}
	}
	var got, want []string
	next().Each(func(kind uint32, number uint64, data []byte, _ Record) {
		got = append(got, fmt.Sprint(kind, number, string(data)))
	})
	for _, kind := range []uint32{NodeRecord, KeptRecord} {
		for _, number := range []uint64{2, 70, 300} {
			want = append(want, fmt.Sprint(kind, number, fmt.Sprint(kind, number)))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
