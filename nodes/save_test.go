package nodes

import (
	"slices"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// TestGiveBack: what an earlier process received for somebody who was killed since goes back to its queue. What finds
// no room there goes back when the file is closed, in whatever process that is then.
func TestGiveBack(t *testing.T) {
	fd, err := backends.NewLedger()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	l, err := backends.OpenLedger(fd)
	if err != nil {
		t.Fatal(err)
	}
	d := l.Desk()
	d.Begin(8)
	for i, text := range []string{"one", "two", "three"} {
		p := (*d.Room())[100*i:]
		d.Got(p[:copy(p, text)], backends.Meta{Prio: uint32(i)})
	}
	d.Resume()
	q := &mq{port: port{unit: 8, maxmsg: 2, msgs: []stored{{"other", backends.Meta{}}}}}
	open := func() *File {
		f := NewFile(&Plain{}, q, InOrder, nil)
		f.Lasts(l, 1, backends.Record{})
		return f
	}
	f := open()
	f.GiveBack(d)
	if got := q.texts(); !slices.Equal(got, []string{"other", "one"}) {
		t.Errorf("the queue has %q", got)
	}
	if err := f.Finish(); err != backends.ErrWouldBlock {
		t.Errorf("closed with messages in hand: %v", err)
	}
	var kept Kept
	l, err = backends.OpenLedger(fd) // as another process has it
	if err != nil {
		t.Fatal(err)
	}
	l.Each(func(kind uint32, _ uint64, data []byte, _ backends.Record) {
		if kind == backends.KeptRecord {
			err = Decode(data, kept.Code)
		}
	})
	if err != nil || len(kept.Back) != 2 || kept.Back[0].Meta.Prio != 1 {
		t.Fatalf("%v: kept %+v", err, kept)
	}
	f = open()
	f.Resume(kept)
	q.msgs = nil
	if err := f.Finish(); err != nil {
		t.Error(err)
	}
	if got := q.texts(); !slices.Equal(got, []string{"two", "three"}) || q.msgs[1].meta.Prio != 2 {
		t.Errorf("the queue has %q", got)
	}
	if k := f.Keep(); !k.nothing() {
		t.Errorf("kept %+v", k)
	}
}
