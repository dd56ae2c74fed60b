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
	fd, err := backends.NewLedger()
	if err != nil {
		t.Fatal(err)
	}
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
		f := NewFile(&Plain{}, q, InOrder, nil)
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
