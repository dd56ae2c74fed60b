package topic

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

func newTopics(t *testing.T) *Store {
	t.Helper()
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := backends.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		dir.Close()
	})
	return NewStore(p, dir)
}

func newTopic(t *testing.T, ts *Store, name string, r Rules) *Topic {
	t.Helper()
	owner := backends.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0644}
	if _, err := ts.Create(backends.Named(name), owner); err != nil {
		t.Fatal(err)
	}
	one, err := ts.Topic(backends.Ref{Path: name})
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Restrict(r); err != nil {
		t.Fatal(err)
	}
	return one
}

// reader is a subscription and what a test expects of it.
type reader struct {
	*Subscription
	from      uint64 // it is to get the messages behind this one
	got, lost uint64
	last      uint64
}

// read takes one message and checks its number, its gap and its bytes. It returns false if there is none.
func (r *reader) read(t *testing.T) bool {
	t.Helper()
	msg, m, err := r.TryLend(backends.MaxMessage)
	if err != nil {
		return false
	}
	r.got++
	r.lost += m.Lost
	if binary.LittleEndian.Uint64(msg) != m.Seq {
		t.Fatalf("message %d has the bytes of another", m.Seq)
	}
	if want := r.last + m.Lost + 1; m.Seq != want || m.Seq <= r.last {
		t.Fatalf("message %d with lost=%d after %d", m.Seq, m.Lost, r.last)
	}
	r.last = m.Seq
	return true
}

// TestTopicAddsUp: whatever publishers and readers do, and whatever the rule, each reader gets the messages
// in order, those it got, missed and has still to read are all there were, the topic holds no more than it
// may, and in the end nothing.
func TestTopicAddsUp(t *testing.T) {
	for _, slow := range []Slow{DropOld, DropNew, Block, Cut} {
		for seed := range uint64(30) {
			t.Run(fmt.Sprint(slow, seed), func(t *testing.T) { addUp(t, slow, rand.New(rand.NewPCG(seed, 7))) })
		}
	}
}

func addUp(t *testing.T, slow Slow, rnd *rand.Rand) {
	ts := newTopics(t)
	rules := func() Rules {
		return Rules{
			Slow: slow, Depth: 1 + rnd.IntN(8), Keep: rnd.IntN(6), Bytes: 400 + rnd.IntN(9000),
			Retain: rnd.IntN(2) == 0,
		}
	}
	one := newTopic(t, ts, "t", rules())
	var readers []*reader
	for range 3000 {
		switch op := rnd.IntN(20); {
		case op < 9:
			msg := binary.LittleEndian.AppendUint64(nil, one.n+1)
			_, err := one.TryWrite(append(msg, make([]byte, rnd.IntN(200))...), backends.Meta{})
			if err != nil && !(err == backends.ErrWouldBlock && slow == Block) {
				t.Fatal(err)
			}
		case op < 16 && len(readers) > 0:
			readers[rnd.IntN(len(readers))].read(t)
		case op == 16 && len(readers) < 12:
			r := &reader{Subscription: one.Subscribe(false)}
			r.from, r.last = r.seen, r.seen
			readers = append(readers, r)
		case op == 17 && len(readers) < 12:
			r := &reader{Subscription: one.Since(uint64(rnd.IntN(int(one.n+1))), false)}
			r.from, r.last = r.seen, r.seen
			readers = append(readers, r)
		case op == 18 && len(readers) > 0:
			i := rnd.IntN(len(readers))
			readers[i].Close()
			readers = append(readers[:i], readers[i+1:]...)
		case op == 19 && rnd.IntN(10) == 0:
			if err := one.Restrict(rules()); err != nil {
				t.Fatal(err)
			}
		case op == 19 && rnd.IntN(5) == 0:
			one.Clear()
		}
		if one.bytes > one.rules.Bytes || one.backlog.len() > one.rules.window() {
			t.Fatalf("it holds %d bytes of %d, %d messages of %d",
				one.bytes, one.rules.Bytes, one.backlog.len(), one.rules.window())
		}
		for _, r := range readers {
			if sum := r.got + r.missed() + r.before + uint64(len(r.rest())); !r.cut && sum != one.n-r.from {
				t.Fatalf("got %d, missed %d, before %d, pending %d of %d",
					r.got, r.missed(), r.before, len(r.rest()), one.n-r.from)
			}
		}
	}
	for _, r := range readers {
		for r.read(t) {
		}
		if !r.cut && r.got+r.missed()+r.before != one.n-r.from {
			t.Fatalf("in the end: got %d, missed %d, before %d of %d", r.got, r.missed(), r.before, one.n-r.from)
		}
		if !r.cut && r.lost > r.missed()+r.before {
			t.Fatalf("told of %d lost, missed %d", r.lost, r.missed()+r.before)
		}
		r.Close()
	}
	one.Forget(one.State().Last)
	if one.bytes != 0 || one.held != 0 || one.apart != 0 || one.backlog.len() != 0 ||
		ts.Used.Used(one.uid) != 0 || one.follow != 0 || len(one.readers) != 0 {
		t.Fatalf("left: %d bytes, %d messages, %d in the backlog, used %v, %d follow",
			one.bytes, one.held, one.backlog.len(), ts.Used.Used(one.uid), one.follow)
	}
}

// TestTopicQuota: the topics of one user share a bound; the fattest that may gives way, and one that may
// not is an error.
func TestTopicQuota(t *testing.T) {
	ts := newTopics(t)
	big := bytes.Repeat([]byte{1}, backends.MaxMessage)
	rules := Rules{Slow: DropOld, Depth: 1000, Bytes: MaxBytes}
	fat, thin := newTopic(t, ts, "fat", rules), newTopic(t, ts, "thin", rules)
	sub := fat.Subscribe(false)
	for range 200 {
		if _, err := fat.TryWrite(big, backends.Meta{}); err != nil {
			t.Fatal(err)
		}
	}
	thinSub := thin.Subscribe(false)
	for range 5 {
		if _, err := thin.TryWrite(big, backends.Meta{}); err != nil {
			t.Fatal(err)
		}
	}
	if used := ts.Used.Used(fat.uid); used == 0 || used > MaxBytes {
		t.Errorf("used %d of %d", used, MaxBytes)
	}
	if _, m, err := thinSub.TryLend(backends.MaxMessage); err != nil || m.Lost > 0 {
		t.Errorf("the thin one lost %d: %v", m.Lost, err)
	}
	_, m, err := sub.TryLend(backends.MaxMessage)
	if want := uint64(200 - 64 + 5); err != nil || m.Lost != want {
		t.Errorf("the fat one lost %d, want %d: %v", m.Lost, want, err)
	}
	rules.Slow = Block
	if err := fat.Restrict(rules); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		_, err = thin.TryWrite(big, backends.Meta{})
		_, err2 := fat.TryWrite(big, backends.Meta{})
		if err != nil || err2 != nil {
			break
		}
	}
	if _, err = fat.TryWrite(big, backends.Meta{}); err != unix.EDQUOT {
		t.Errorf("got %v, want EDQUOT", err)
	}
	// Another user's topics do not care.
	uid := fat.uid + 1000
	if _, err := ts.Create(backends.Named("other"), backends.Owner{Uid: uid, Gid: uid, Mode: 0644}); err != nil {
		t.Skip("cannot give it away: ", err)
	}
	other, err := ts.Topic(backends.Ref{Path: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.TryWrite(big, backends.Meta{}); err != nil {
		t.Error(err)
	}
	if err := ts.Change(backends.Ref{Path: "other"}, backends.Change{Uid: &fat.uid}); err != nil {
		t.Fatal(err)
	}
	if ts.Used.Used(uid) != 0 || other.uid != fat.uid {
		t.Errorf("what it holds stays with its old owner: %v", ts.Used.Used(uid))
	}
}

// TestTopicWakes: Arm is answered once: at once if there is something already, else when it comes, and once
// when nothing will come.
func TestTopicWakes(t *testing.T) {
	ts := newTopics(t)
	one := newTopic(t, ts, "t", Rules{Slow: Block, Depth: 1, Bytes: 1 << 20})
	write := func() {
		t.Helper()
		if _, err := one.TryWrite([]byte("x"), backends.Meta{}); err != nil {
			t.Fatal(err)
		}
	}
	read := func(s *Subscription) {
		t.Helper()
		if _, _, err := s.TryLend(1); err != nil {
			t.Fatal(err)
		}
	}
	woken := make(chan string, 9)
	arm := func(who string, w backends.Waiter, want backends.Ready) { w.Arm(want, func() { woken <- who }) }
	// expect waits for those who are to be woken; whoever is woken too is found by the next call.
	expect := func(who ...string) {
		t.Helper()
		for _, want := range who {
			if got := <-woken; got != want {
				t.Fatalf("%s was woken, want %s", got, want)
			}
		}
		done := make(chan struct{})
		ts.poll.Soon(func() { close(done) }) // behind all that is to be called by now
		<-done
		if len(woken) > 0 {
			t.Fatalf("%s was woken as well", <-woken)
		}
	}
	a, b, n := one.Subscribe(true), one.Subscribe(false), one.Notice()
	arm("a", a, backends.In)
	arm("n", n, backends.In)
	arm("a's write", one, backends.Out) // there is room
	expect("a's write")
	write()
	expect("a", "n")
	arm("b", b, backends.In) // it comes when the message is there already
	expect("b")
	arm("a", a, backends.Out)
	arm("one", one, backends.Out)
	expect()
	read(a)
	expect() // b has not read yet
	read(b)
	expect("a", "one")
	arm("b", b, backends.In)
	b.Close()
	arm("a", a, backends.In)
	if err := ts.Remove(backends.Named("t"), func(backends.Attr) error { return nil }); err != nil {
		t.Fatal(err)
	}
	expect("a")
	arm("a", a, backends.In) // it was told
	arm("n", n, backends.In) // there is a value it has not seen, and the end
	expect("n")
	if _, _, err := n.TryRead(make([]byte, n.Unit())); err != nil {
		t.Fatal(err)
	}
	arm("n", n, backends.In) // of the end it was told together with the value
	expect()
	late := one.Subscribe(false) // by a file that was open
	arm("late", late, backends.In)
	expect("late")
	if _, _, err := late.TryLend(1); err != backends.ErrRemoved {
		t.Errorf("after the end: %v", err)
	}
}
