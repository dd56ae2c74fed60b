package backends

import (
	"testing"
	"time"
)

// TestUnlisted: only what has not changed since is remembered to have no list.
func TestUnlisted(t *testing.T) {
	var u unlisted
	changed := time.Unix(1000, 5)
	a := Attr{ID: ID{Ino: 1, Born: 7}, Ctime: changed}
	if u.has(a) {
		t.Error("a file that nobody looked at")
	}
	u.note(a, changed.Add(settled-1))
	if u.has(a) {
		t.Error("a file that may change in the same tick")
	}
	u.note(a, changed.Add(settled))
	if !u.has(a) {
		t.Error("a file without a list is forgotten")
	}
	for _, other := range []Attr{
		{ID: a.ID, Ctime: changed.Add(1)}, {ID: ID{Ino: 1, Born: 8}, Ctime: changed},
		{ID: ID{Ino: 2, Born: 7}, Ctime: changed},
	} {
		if u.has(other) {
			t.Errorf("%v is taken for %v", other, a)
		}
	}
	for i := range uint64(2 * maxUnlisted) {
		u.note(Attr{ID: ID{Ino: i}, Ctime: changed}, changed.Add(settled))
	}
	if n := len(u.ctime); n > maxUnlisted {
		t.Errorf("it remembers %d", n)
	}
}
