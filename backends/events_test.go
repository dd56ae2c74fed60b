package backends

import (
	"slices"
	"strings"
	"testing"
)

// What nobody has read yet counts for the user who subscribed, and is lost where that user may have no more.
func TestEventsArePaidFor(t *testing.T) {
	b := testBudget(Bounds{One: maxEvents + maxEvents/2, All: Unbounded, Root: Unbounded})
	w := &Watch{subs: map[*Events]struct{}{}}
	line := strings.Repeat("x", 1023) + "\n"
	one, two := &Events{}, &Events{}
	for _, e := range []*Events{one, two} {
		w.subs[e] = struct{}{}
		e.leave = func() { delete(w.subs, e) }
		e.Pays(b, 1000)
		for range maxEvents / len(line) {
			e.add(line)
		}
	}
	if one.lost != 0 || len(one.text) != maxEvents || two.lost == 0 || len(two.text) == 0 ||
		b.Used(1000) > maxEvents+maxEvents/2 {
		t.Errorf("kept %d and %d bytes, lost %d and %d lines, paid for %d",
			len(one.text), len(two.text), one.lost, two.lost, b.Used(1000))
	}
	buf := make([]byte, maxEvents)
	if n, _, err := one.TryRead(buf); n != maxEvents || err != nil || b.Used(1000) >= maxEvents {
		t.Errorf("read %d, %v; still paid for: %d", n, err, b.Used(1000))
	}
	kept := len(two.text)
	if n, _, _ := two.TryRead(buf); n != kept {
		t.Errorf("read %d of %d", n, kept)
	}
	if n, _, _ := two.TryRead(buf); !strings.HasPrefix(string(buf[:n]), "lost ") {
		t.Errorf("not told of what was lost: %q", buf[:n])
	}
	one.add(line)
	for _, e := range []*Events{one, two} {
		_ = e.Close()
		e.add(line) // one that was on its way
	}
	if b.Used(1000) != 0 || len(w.subs) != 0 {
		t.Errorf("closed: still paid for %d", b.Used(1000))
	}
}

// FuzzEvents: a name is told as one word of its line, which names the
// verb first, and nothing in it begins another.
func FuzzEvents(f *testing.F) {
	for _, s := range names {
		f.Add("shm/"+s, "shm/x "+s)
	}
	f.Fuzz(func(t *testing.T, from, to string) {
		w := &Watch{subs: map[*Events]struct{}{}}
		e := &Events{}
		w.subs[e] = struct{}{}
		told := [][]string{{"create", from}, {"rename", from, to}, {"remove", to}, {"lost"}}
		w.tell("create", placed{path: from})
		w.tell("rename", placed{path: from}, placed{path: to})
		w.tell("remove", placed{path: to})
		w.tell("lost")
		buf := make([]byte, maxEvents)
		n, _, err := e.TryRead(buf)
		if err != nil {
			t.Skip("longer than any path")
		}
		lines := strings.Split(strings.TrimSuffix(string(buf[:n]), "\n"), "\n")
		if len(lines) != len(told) {
			t.Fatalf("%q", lines)
		}
		for i, line := range lines {
			legible(t, line)
			words := strings.Split(line, " ")
			for j := range words {
				words[j] = undone(t, words[j])
			}
			if !slices.Equal(words, told[i]) {
				t.Errorf("%q was told as %q", told[i], line)
			}
		}
	})
}
