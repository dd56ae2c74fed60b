package topic

import (
	"slices"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/tests/ledgerfd"
	"golang.org/x/sys/unix"
)

// next is the store of another process, which goes on from a ledger, and what it finds there.
func next(t *testing.T, ts *Store, fd int) (*Store, map[uint32]int) {
	t.Helper()
	l, err := backends.OpenLedger(fd)
	if err != nil {
		t.Fatal(err)
	}
	var all []backends.Left
	kinds := map[uint32]int{}
	l.Each(func(kind uint32, number uint64, data []byte, r backends.Record) {
		all = append(all, backends.Left{Kind: kind, Number: number, Data: slices.Clone(data), Record: r})
		kinds[kind]++
	})
	one := NewStore(ts.poll, ts.dir)
	one.Lasts(l, func(kind uint32) (list []backends.Left) {
		for _, r := range all {
			if r.Kind == kind {
				list = append(list, r)
			}
		}
		return list
	}, one.places)
	return one, kinds
}

// places are where the topics are that are in no directory.
func (ts *Store) places() *backends.Places {
	all := &backends.Places{}
	list, _ := ts.dir.List(backends.Ref{})
	for _, e := range list {
		if a, err := ts.dir.Find(backends.Named(e.Name)); err == nil {
			all.Add(a, e.Name)
		}
	}
	return all
}

// says checks what the file of a reader gets, and then err.
func says(t *testing.T, s *Subscription, end error, want ...string) {
	t.Helper()
	b, r := make([]byte, 64), ForFile(s).(*Reader)
	for _, text := range append(want, "") {
		n, _, err := r.TryRead(b)
		if string(b[:n]) != text || text == "" && err != end {
			t.Errorf("%q, %v, want %q", b[:n], err, text)
		}
		r.Saved()
	}
}

// TestGoneLasts: a topic that was removed while it is open goes on in other processes for those who have it
// open, and for nobody else. What is left in it counts as its owner's. When the last of them has closed it, or
// has ended with the process, nothing of it is in the ledger. A topic of the same name is another one; one that
// was moved in the moment in which a process ended is none that was removed.
func TestGoneLasts(t *testing.T) {
	fd := ledgerfd.New(t)
	ts, _ := next(t, newTopics(t), fd)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	owner := backends.Owner{Uid: 0, Mode: 0644}
	anyone := func(backends.Attr) error { return nil }
	at := func(name string) backends.Ref {
		t.Helper()
		a, err := ts.dir.Find(backends.Named(name))
		must(err)
		return backends.Ref{Path: name, Was: a}
	}
	_, err := ts.dir.Mkdir(backends.Named("d"), owner)
	must(err)
	dir := at("d")
	all, err := ts.All(dir, nil)
	must(err)
	open := map[string]*Topic{}
	refs := map[string]backends.Ref{"d": dir}
	for _, name := range []string{"read", "written", "unread", "moved"} {
		open[name] = newTopic(t, ts, name, Rules{Slow: Block, Depth: 4, Bytes: 1 << 20, Keep: 1})
		refs[name] = at(name)
	}
	reader, group := open["read"].Subscribe(false), open["read"].Group("g", false)
	publisher := open["written"].Publisher()
	open["unread"].Subscribe(false)
	moved := open["moved"].Subscribe(false)
	for _, name := range []string{"read", "unread", "moved"} {
		for _, text := range []string{"1", "2", "3"} {
			_, err := open[name].TryWrite([]byte(text), backends.Meta{})
			must(err)
		}
	}
	says(t, moved, backends.ErrWouldBlock, "1", "2", "3")
	_, err = open["moved"].TryWrite([]byte("4"), backends.Meta{})
	must(err)
	one := ForFile(reader).(*Reader)
	_, _, err = one.TryRead(make([]byte, 8))
	must(err)
	one.Saved()
	used := ts.Used.Used(0)
	for _, name := range []string{"read", "written", "unread"} {
		must(ts.Remove(backends.Named(name), anyone))
		_, err := ts.Create(backends.Named(name), owner)
		must(err)
	}
	must(ts.Rmdir(backends.Named("d"), anyone))
	must(ts.dir.Rename(backends.Named("moved"), backends.Named("there"), 0)) // the store has not heard of it
	held := ts.Used.Used(0)
	if held == 0 || held > used {
		t.Errorf("%d bytes are held, before it was %d", held, used)
	}
	places := map[string]backends.Place{
		"reader": reader.Place(), "group": group.Place(), "moved": moved.Place(), "all": all.Place(),
	}
	for _, unread := range []bool{true, false} {
		ts, _ = next(t, ts, fd)
		if _, err := ts.Open(at("read")); err != nil {
			t.Error(err) // the new one
		}
		for name := range open {
			open[name], err = ts.Topic(refs[name])
			if lasts := name != "moved" && (name != "unread" || unread); (err == nil) != lasts {
				t.Errorf("%s: %v", name, err)
			}
		}
		open["moved"], err = ts.Topic(at("there"))
		must(err)
		all, err = ts.All(dir, nil)
		must(err)
		reader, group, publisher = open["read"].Subscribe(false), open["read"].Group("g", false), open["written"].Publisher()
		moved = open["moved"].Subscribe(false)
		reader.Resume(places["reader"])
		group.Resume(places["group"])
		moved.Resume(places["moved"])
		all.Resume(places["all"])
		if got := ts.Used.Used(0); got != held {
			t.Errorf("%d bytes are held, before it was %d", got, held)
		}
		ts.Resumed()
		if unread { // who had it was killed, too
			held -= int64(3 * cost([]byte("1")))
		}
		if got := ts.Used.Used(0); got != held {
			t.Errorf("%d bytes are held, want %d", got, held)
		}
		if _, err := ts.Topic(refs["read"]); err != unix.ESTALE {
			t.Errorf("a topic without a name was opened: %v", err)
		}
	}
	a, err := reader.Stat()
	if err != nil || a.Nlink != 0 || a.Size != 2 || a.Ctime.IsZero() {
		t.Errorf("%+v, %v", a, err)
	}
	says(t, reader, backends.ErrRemoved, "2", "3")
	says(t, group, backends.ErrRemoved, "1", "2", "3")
	says(t, all, backends.ErrRemoved)
	says(t, moved, backends.ErrWouldBlock, "4")
	if _, err := publisher.TryWrite([]byte("4"), backends.Meta{}); err != backends.ErrRemoved {
		t.Error(err)
	}
	for _, end := range []backends.Endpoint{reader, group, publisher, all, moved} {
		must(end.Close())
	}
	for _, name := range []string{"read", "written", "unread", "there"} {
		must(ts.Remove(backends.Named(name), anyone))
	}
	if got := ts.Used.Used(0); got != 0 {
		t.Errorf("%d bytes are held in the end", got)
	}
	if _, kinds := next(t, ts, fd); len(kinds) > 0 {
		t.Errorf("in the ledger are still %v", kinds)
	}
}

// TestGoneGivesWay: what is still to be read of topics that were removed gives way to what their owner publishes,
// if their rule allows it, also in another process, and also if that is the first to see that their names are gone.
func TestGoneGivesWay(t *testing.T) {
	for _, how := range []string{"here", "in another process", "found gone"} {
		t.Run(how, func(t *testing.T) { givesWay(t, how) })
	}
}

func givesWay(t *testing.T, how string) {
	const room = 64 // messages, for all topics of their owner
	fd, msg := ledgerfd.New(t), make([]byte, 1000)
	ts, _ := next(t, newTopics(t), fd)
	makes := func(name string, slow Slow) (*Topic, *Subscription) {
		one := newTopic(t, ts, name, Rules{Slow: slow, Depth: 1000, Bytes: 1 << 20})
		return one, one.Subscribe(false)
	}
	held := []struct {
		name string
		slow Slow
		n    int
	}{{"fat", DropOld, 20}, {"thin", DropOld, 1}, {"block", Block, 40}}
	var readers []*Subscription
	var refs []backends.Ref
	for _, h := range held {
		one, reader := makes(h.name, h.slow)
		for range h.n {
			if _, err := one.TryWrite(msg, backends.Meta{}); err != nil {
				t.Fatal(err)
			}
		}
		a, err := one.Stat()
		if err == nil && how == "found gone" {
			err = ts.dir.Remove(backends.Named(h.name)) // the store has not heard of it
		} else if err == nil {
			err = ts.Remove(backends.Named(h.name), func(backends.Attr) error { return nil })
		}
		if err != nil {
			t.Fatal(err)
		}
		readers, refs = append(readers, reader), append(refs, backends.Ref{Path: h.name, Was: a})
	}
	if how != "here" {
		ts, _ = next(t, ts, fd)
		for i, r := range refs {
			one, err := ts.Topic(r)
			if err != nil {
				t.Fatal(err)
			}
			place := readers[i].Place()
			readers[i] = one.Subscribe(false)
			readers[i].Resume(place)
		}
		ts.Resumed()
	}
	one, reader := makes("new", Block)
	ts.Used.Add(one.uid, MaxBytes-int64(room*cost(msg))) // by others
	n, err := 0, error(nil)
	for ; n < room && err == nil; n++ {
		_, err = one.TryWrite(msg, backends.Meta{})
	}
	if want := room - 40; n-1 != want || err != unix.EDQUOT {
		t.Errorf("%d messages were published, then %v, want %d", n-1, err, want)
	}
	for i, want := range []int{0, 0, 40} {
		got, err := 0, error(nil)
		for ; err == nil; got++ {
			_, _, err = readers[i].TryLend(len(msg))
		}
		if got-1 != want || err != backends.ErrRemoved {
			t.Errorf("%s: %d messages, then %v, want %d", held[i].name, got-1, err, want)
		}
	}
	if err := ts.Remove(backends.Named("new"), func(backends.Attr) error { return nil }); err != nil {
		t.Error(err)
	}
	for _, r := range append(readers, reader) {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(ts.feeds) > 0 {
		t.Errorf("%d feeds are left", len(ts.feeds))
	}
}

// TestGoneOfOneInode: those who read directories that had the same inode one after the other all go on in
// another process.
func TestGoneOfOneInode(t *testing.T) {
	fd := ledgerfd.New(t)
	ts, _ := next(t, newTopics(t), fd)
	name := backends.Named("d")
	if _, err := ts.dir.Mkdir(name, backends.Owner{Mode: 0755}); err != nil {
		t.Fatal(err)
	}
	a, err := ts.dir.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ts.All(backends.Ref{Path: "d", Was: a}, nil); err != nil {
		t.Fatal(err)
	}
	if err := ts.Rmdir(name, func(backends.Attr) error { return nil }); err != nil {
		t.Fatal(err)
	}
	again := a
	again.Born++
	ts.mu.Lock()
	ts.subscribe("d", again, nil) // as All does where a file system gave the inode once more
	ts.mu.Unlock()
	ts, _ = next(t, ts, fd)
	var readers []*Subscription
	for _, was := range []backends.Attr{a, again} {
		all, err := ts.All(backends.Ref{Path: "d", Was: was}, nil)
		if err != nil {
			t.Fatalf("%v: %v", was.ID, err)
		}
		readers = append(readers, all)
	}
	ts.Resumed()
	for _, all := range readers {
		says(t, all, backends.ErrRemoved)
		if err := all.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, kinds := next(t, ts, fd); len(kinds) > 0 {
		t.Errorf("in the ledger are still %v", kinds)
	}
}
