package backends

import "testing"

// TestPlacesOfOthers: the names of one user do not keep those of another from being found.
func TestPlacesOfOthers(t *testing.T) {
	var p Places
	for ino := range uint64(maxPlaces + 10) {
		if added := p.Add(Attr{ID: ID{Ino: ino + 1}, Uid: 1}, "a"); added != (ino < maxPlaces) {
			t.Fatalf("name %d of one user: noted is %v", ino, added)
		}
	}
	theirs := ID{Ino: 1 << 40}
	if !p.Add(Attr{ID: theirs, Uid: 2}, "d/b") || p.Of(theirs) != "d/b" {
		t.Error("another user's name is not found")
	}
	if p.Add(Attr{ID: theirs, Uid: 2}, "c") || p.Of(theirs) != "d/b" {
		t.Error("an object is noted twice")
	}
}
