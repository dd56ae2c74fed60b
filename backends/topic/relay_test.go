package topic

import (
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

func relayed(t *testing.T, rules Rules, after uint64) (*Relay, *Topic) {
	t.Helper()
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	r := NewRelay(p, NewStore(p, nil))
	return r, r.Topic("plant/temp", backends.Attr{ID: backends.ID{Ino: 7}, Mode: unix.S_IFREG | 0644}, rules, after)
}

// reads checks what a subscription gives now: the number, what was lost before it, the bytes.
func reads(t *testing.T, s *Subscription, seq, lost uint64, want string) {
	t.Helper()
	msg, m, err := s.TryLend(100)
	if err != nil || string(msg) != want || m.Seq != seq || m.Lost != lost {
		t.Errorf("read %q seq=%d lost=%d %v, want %q seq=%d lost=%d", msg, m.Seq, m.Lost, err, want, seq, lost)
	}
}

// TestRelayGaps: a reader of a relay gets the numbers that messages have elsewhere, and is told how many did
// not come.
func TestRelayGaps(t *testing.T) {
	rules := DefaultRules
	rules.Keep = 3
	_, one := relayed(t, rules, 9)
	give := func(seq uint64, text string) { one.Give(seq, []byte(text), time.Now()) }
	give(10, "a")
	give(11, "b")
	s := one.Subscribe(false)
	give(11, "again")
	give(12, "c")
	give(15, "f")
	reads(t, s, 12, 0, "c")
	reads(t, s, 15, 2, "f")
	old := one.Since(10, false)
	reads(t, old, 11, 0, "b")
	one.Miss(20)
	give(21, "l")
	reads(t, s, 21, 5, "l")
	if lost := one.State().Lost; lost != 7+5 { // the second one began when 13 and 14 were lost already
		t.Errorf("lost=%d", lost)
	}
	one.End(true)
	if _, _, err := s.TryLend(100); err != backends.ErrRemoved {
		t.Errorf("of a topic that is gone: %v", err)
	}
}

// TestRelayGivesWay: what is still to be read of a topic that is gone elsewhere gives way to what comes.
func TestRelayGivesWay(t *testing.T) {
	r, gone := relayed(t, DefaultRules, 0)
	gone.Subscribe(false)
	gone.Give(1, []byte("a"), time.Now())
	gone.End(true)
	r.all.Used.Add(gone.uid, MaxBytes-int64(gone.bytes)) // by others
	one := r.Topic("plant/note", backends.Attr{ID: backends.ID{Ino: 8}}, DefaultRules, 0)
	s := one.Subscribe(false)
	one.Give(1, []byte("b"), time.Now())
	reads(t, s, 1, 0, "b")
}

// TestRelayVoid: a message that takes the value back is nobody's, and nobody has lost it, however slow they
// are.
func TestRelayVoid(t *testing.T) {
	for _, slow := range []Slow{DropOld, DropNew} {
		rules := DefaultRules
		rules.Slow, rules.Depth, rules.Retain = slow, 2, true
		_, one := relayed(t, rules, 0)
		quick, lazy := one.Subscribe(false), one.Subscribe(false)
		changed := one.Notice()
		give := func(seq uint64, text string) { one.Give(seq, []byte(text), time.Now()) }
		give(1, "a")
		reads(t, quick, 1, 0, "a")
		one.Void(2, false)
		var buf [32]byte
		if n, _, err := changed.TryRead(buf[:]); err != nil || string(buf[:n]) != "0\n" {
			t.Errorf("slow=%s: the notice is %q %v", slow, buf[:n], err)
		}
		if s := one.Subscribe(false); s.Ready() != 0 {
			t.Errorf("slow=%s: a value that was taken back is there", slow)
		} else {
			s.Close()
		}
		give(3, "c")
		reads(t, quick, 3, 0, "c")
		if slow == DropNew { // it has its own two, and no room for the third
			reads(t, lazy, 1, 0, "a")
			give(4, "d")
			reads(t, lazy, 4, 1, "d")
		} else {
			reads(t, lazy, 3, 1, "c")
		}
	}
}

// TestRelayAll: who reads a directory gets what is announced of topics that they may read.
func TestRelayAll(t *testing.T) {
	r, _ := relayed(t, DefaultRules, 0)
	dir := backends.Attr{Mode: unix.S_IFDIR | 0777}
	mine := func(way []backends.Attr) bool { return way[len(way)-1].Uid == 5 }
	s, above := r.All("plant", dir, mine), r.All("", dir, nil)
	say := func(path string, uid uint32, seq, lost uint64, text string) {
		r.Announce(path, []backends.Attr{{Uid: uid}}, seq, lost, []byte(text))
	}
	say("plant/temp", 5, 3, 0, "a")
	say("plant/temp", 6, 4, 0, "b")
	say("other", 5, 1, 0, "c")
	say("plant/note", 5, 9, 2, "d")
	reads(t, s, 3, 0, "a")
	reads(t, s, 9, 2, "d")
	reads(t, above, 3, 0, "a")
	reads(t, above, 4, 0, "b")
	reads(t, above, 1, 0, "c")
	reads(t, above, 9, 2, "d")
}
