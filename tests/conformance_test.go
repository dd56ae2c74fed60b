package tests

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestConformance tries every property on every face through which messages go, and on the
// kernel's own objects beside them, so that nothing is asked of faces that the kernel does not
// do. Faces are rows of a table (conformance_faces_test.go), properties are functions. The row of
// a face says which properties it cannot have, and why.
func TestConformance(t *testing.T) {
	t.Parallel()
	for i := range faces {
		t.Run(faces[i].name, func(t *testing.T) {
			t.Parallel()
			conform(t, &faces[i])
		})
	}
}

// properties are tried in this order, each on an object made anew.
var properties = []struct {
	name string
	try  func(*stage)
}{
	{"bytes", exactBytes},
	{"bounds", boundsAreKept},
	{"longest", longestMessage},
	{"zero", zeroLength},
	{"short", shortReads},
	{"only-read", onlyRead},
	{"hand", messageInHand},
	{"fuzz", fuzzedSizes},
	{"empty", emptyBlocks},
	{"full", fullBlocks},
	{"eintr-read", signalEndsRead},
	{"eintr-write", signalEndsWrite},
	{"poll-in", pollIn},
	{"poll-out", pollOut},
	{"poll-gone", pollGone},
	{"removed-reader", removalEndsReader},
	{"removed-writer", removalEndsWriter},
	{"removed-outlived", removalIsOutlived},
	{"anew", madeAnew},
	{"fork", forkShares},
	{"fork-waits", forkWaits},
	{"dup", dupShares},
	{"last-close", lastCloseEnds},
	{"two-readers", twoReaders},
	{"rest-is-mine", restIsMine},
	{"exactly-once", exactlyOnce},
	{"harmless", blockedWritersAreHarmless},
	{"permission", permission},
}

// conform tries all properties on one face, in a tree of its own.
func conform(t *testing.T, f *face) {
	tr := bareTree(t)
	if f.program != "" {
		tr.program = f.program
	}
	tr.mounted(t, f.flags...)
	if *long && len(f.flags) > 0 {
		tr.dog.allow(10 * time.Minute) // each call travels
	}
	if f.apart {
		tr.mountOther(t, f.flags...)
	}
	var cast []*player
	defer func() {
		for _, p := range cast {
			p.leave()
		}
	}()
	before, err := tr.fds()
	check(t, err)
	for _, p := range properties {
		t.Run(p.name, func(t *testing.T) {
			if why := f.reason(p.name); why != "" {
				t.Skip(why)
			}
			check(t, tr.join())
			s := &stage{T: t, face: f, tree: tr, cast: &cast}
			defer s.clear()
			s.create()
			p.try(s)
		})
	}
	// Releases come late.
	if now := 0; !eventually(patience, func() bool {
		now, err = tr.fds()
		return err != nil || now <= before
	}) || err != nil {
		t.Errorf("the daemon holds %d descriptors, before it was %d (%v)", now, before, err)
	}
}

// reason is why a face cannot have a property; empty: it must.
func (f *face) reason(property string) string {
	for names, why := range f.not {
		if slices.Contains(strings.Fields(names), property) {
			return why
		}
	}
	return ""
}
