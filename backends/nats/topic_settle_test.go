package nats

import (
	"testing"
	"time"
)

// TestShareLasts: a group that had members again counts for its user, and what is there for the next of them
// is kept, until the servers have forgotten it since then.
func TestShareLasts(t *testing.T) {
	const uid, at = 1000, "s.g_w"
	l := &Link{shares: map[string]*share{}, Groups: NewGroups()}
	var s *share
	ends := func() time.Time { // of a member
		var err error
		if s, err = l.sharing(at, uid); err != nil {
			t.Fatal(err)
		}
		l.leaves(at, s)
		return s.ends
	}
	first := ends()
	s.left = []*delivery{{}}
	second := ends()
	for second.Equal(first) {
		second = ends()
	}
	if l.unshare(at, s, first); l.shares[at] != s || l.Groups.Used(uid) != 1 {
		t.Error("it is forgotten when the first of its members is long gone")
	}
	if l.unshare(at, s, second); l.shares[at] != nil || l.Groups.Used(uid) != 0 {
		t.Error("it is kept without end")
	}
}
