package nodes

import (
	"slices"
	"strings"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/tests/ledgerfd"
	"golang.org/x/sys/unix"
)

// TestGiveBack: what an earlier process received for somebody who was killed since goes back to its queue.
// What finds no room there goes back when the file is closed, in whatever process that is then.
func TestGiveBack(t *testing.T) {
	fd := ledgerfd.New(t)
	l, err := backends.OpenLedger(fd)
	if err != nil {
		t.Fatal(err)
	}
	d := l.Desk()
	d.Begin(8)
	for i, text := range []string{"one", "two", "three"} {
		p := (*d.Room())[100*i:]
		d.Got(p[:copy(p, text)], backends.Meta{Prio: uint32(i)})
		d.Sent(4) // as a write does, of which nothing comes back
	}
	d.Resume()
	q := &mq{port: port{unit: 8, maxmsg: 2, msgs: []stored{{"other", backends.Meta{}}}}}
	open := func() *File {
		f := NewFile(&Plain{}, q, InOrder)
		f.Lasts(l, 1, backends.Record{})
		return f
	}
	f := open()
	f.TakeBack(d)
	f.TakeBack(d)
	back := l.Desk()
	back.Begin(16)
	f.GiveBack(back)
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
	if k := f.Keep(); len(k.Back) > 0 {
		t.Errorf("kept %+v", k)
	}
}

// notedQueue is an end that notes on a desk what is sent, and where a process can be killed around that.
type notedQueue struct {
	mq
	desk  *backends.Desk
	steps int // until the process is killed; negative: it is not
}

func (q *notedQueue) Note(d *backends.Desk)     { q.desk = d }
func (q *notedQueue) Shared() backends.Endpoint { return q }

func (q *notedQueue) step() {
	if q.steps--; q.steps == -1 {
		panic(errKilled)
	}
}

func (q *notedQueue) TryReturn(msg []byte, m backends.Meta) error {
	if _, ok := q.desk.SentAgain(); ok {
		return nil
	}
	q.step()
	if err := q.mq.TryReturn(msg, m); err != nil {
		return err
	}
	q.desk.Sent(len(msg))
	q.step()
	return nil
}

// TestGiveBackKilled: wherever a process is killed that returns messages, the next one returns each once.
func TestGiveBackKilled(t *testing.T) {
	texts := []string{"one", "two", "three"}
	for _, room := range []int{9, 2} {
		for steps := 0; killedReturning(t, texts, room, steps); steps++ {
		}
	}
}

// killedReturning has a process killed after so many steps, and reports whether it was.
func killedReturning(t *testing.T, texts []string, room, steps int) bool {
	fd := ledgerfd.New(t)
	q := &notedQueue{mq: mq{port: port{unit: 8, maxmsg: room}}}
	// run is a process that starts, and reports whether it was not killed.
	run := func(steps int) (lives bool) {
		defer func() {
			if r := recover(); r != nil && r != errKilled {
				panic(r)
			}
		}()
		l, err := backends.OpenLedger(fd)
		if err != nil {
			t.Fatal(err)
		}
		var kept Kept
		var at backends.Record
		l.Each(func(kind uint32, _ uint64, data []byte, r backends.Record) {
			if at = r; kind == backends.KeptRecord {
				err = Decode(data, kept.Code)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		q.steps = steps
		f := NewFile(&Plain{}, q, InOrder)
		f.Lasts(l, 1, at)
		f.Resume(kept)
		left := map[uint64]*backends.Desk{}
		for _, d := range l.Unfinished(0) {
			left[d.Unique()] = d
		}
		if d := left[16]; d != nil {
			d.Resume()
			f.GiveBack(d)
			d.Free()
		}
		if d := left[8]; d != nil {
			d.Resume()
			f.TakeBack(d)
			q.step()
			d.Free()
			d = l.Desk()
			d.Begin(16)
			q.step()
			f.GiveBack(d)
			q.step()
			d.Free()
		}
		return true
	}
	l, err := backends.OpenLedger(fd)
	if err != nil {
		t.Fatal(err)
	}
	d := l.Desk()
	d.Begin(8)
	for i, text := range texts {
		p := (*d.Room())[100*i:]
		d.Got(p[:copy(p, text)], backends.Meta{})
	}
	through := run(steps)
	if !through && !run(-1) {
		t.Fatal("the next process was killed too")
	}
	// What was taken back and no desk returns waits for the close.
	run(-1)
	l, _ = backends.OpenLedger(fd)
	var kept Kept
	l.Each(func(kind uint32, _ uint64, data []byte, _ backends.Record) {
		if kind == backends.KeptRecord {
			err = Decode(data, kept.Code)
		}
	})
	got := q.texts()
	for _, m := range kept.Back {
		got = append(got, string(m.Data))
	}
	if err != nil || !slices.Equal(got, texts) {
		t.Errorf("room for %d, killed after %d steps: %q, %v", room, steps, got, err)
	}
	_ = unix.Close(fd)
	return !through
}

// TestHandsShared: a long message that several files of a user have in hand is in a ledger once, goes on in
// each of them in another process, and is gone from there with the last.
func TestHandsShared(t *testing.T) {
	fd := ledgerfd.New(t)
	long := strings.Repeat("x", sharedHand)
	// start is a process that starts, with what is left of hands and of each file.
	start := func() (*backends.Ledger, *Env, map[uint64]Kept, map[uint64]backends.Record) {
		l, err := backends.OpenLedger(fd)
		if err != nil {
			t.Fatal(err)
		}
		var hands []backends.Left
		files, at := map[uint64]Kept{}, map[uint64]backends.Record{}
		l.Each(func(kind uint32, number uint64, data []byte, r backends.Record) {
			if kind == backends.HandRecord {
				hands = append(hands, backends.Left{Number: number, Data: slices.Clone(data), Record: r})
				return
			}
			var k Kept
			if err := Decode(data, k.Code); err != nil {
				t.Fatal(err)
			}
			files[number], at[number] = k, r
		})
		e := &Env{Heap: newHeap(), allow: map[uint32]*allowance{}}
		e.Hands(hands)
		return l, e, files, at
	}
	l, e, _, _ := start()
	buf := make([]byte, 16)
	shared := []byte(long)
	for number := range uint64(3) {
		f := NewFile(&Plain{}, &lendsOne{data: shared}, Seekable)
		f.pays = e.allowance(7)
		f.Lasts(l, number, backends.Record{})
		if n, err := f.Read(buf, 5, 0); n != 5 || err != nil {
			t.Fatal(n, err)
		}
		f.Save(nil)
	}
	for round := range 2 {
		l, e, files, at := start()
		if len(files) != 3-round || len(e.left) != 1 {
			t.Fatalf("%d files, %d hands", len(files), len(e.left))
		}
		open := map[uint64]*File{}
		for number, k := range files {
			f := NewFile(&Plain{}, &lendsOne{}, Seekable)
			f.pays = e.allowance(7)
			f.Resume(k)
			f.Lasts(l, number, at[number])
			if n, err := f.Read(buf, 16, 5); n != 16 || err != nil || string(f.unitInHand()) != long {
				t.Errorf("file %d: %d, %v", number, n, err)
			}
			open[number] = f
		}
		e.NoHands(l)
		open[uint64(round)].Ends()
	}
	l, e, files, at := start()
	f := NewFile(&Plain{}, &lendsOne{}, Seekable)
	f.pays = e.allowance(7)
	f.Resume(files[2])
	f.Lasts(l, 2, at[2])
	e.NoHands(l)
	f.Ends()
	if _, e, files, _ := start(); len(files) != 0 || len(e.left) != 0 {
		t.Errorf("%d files, %d hands are left", len(files), len(e.left))
	}
}

// lendsOne lends one message, again and again.
type lendsOne struct {
	port
	data []byte
}

func (q *lendsOne) TryLend(int) ([]byte, backends.Meta, error) { return q.data, backends.Meta{}, nil }
