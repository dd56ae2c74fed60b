package topic

import (
	"fmt"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// A topic whose name is gone is there for those who have it open, and nobody can open it again. In a ledger
// its record says so, and its messages stay there, until the last of them has closed it. So it is with those
// who read a directory that is gone.

// use counts one more end. The caller holds the store's lock.
func (t *Topic) use() {
	if t.ends++; t.removed {
		t.save() // its name went just before
	}
}

// unuse is told that an end was closed. The caller holds the store's lock.
func (t *Topic) unuse() {
	if t.ends--; t.removed && t.ends == 0 {
		t.save()
	}
}

// found is a topic of an earlier process, which is where its record says, or where it was moved to in the
// moment in which that process ended, or has no name any more: that goes on by the rule for slow readers that it had.
func (ts *Store) found(
	r *Snapshot, attr backends.Attr, removed bool, slow Slow, places func() *backends.Places,
) *Topic {
	t, err := (*Topic)(nil), error(unix.ENOENT)
	if !removed {
		t, err = ts.Topic(backends.Ref{Path: r.Name, Was: attr})
	}
	if !removed && backends.IsGone(err) {
		if path := places().Of(r.ID); path != "" {
			t, err = ts.Topic(backends.Ref{Path: path, Was: attr})
		}
	}
	if backends.IsGone(err) && ts.left[r.ID] == nil {
		rules := DefaultRules
		rules.Slow = slow
		ts.mu.Lock()
		t, err = ts.topic(r.Name, attr, rules), nil
		ts.left[r.ID] = t
		ts.mu.Unlock()
	}
	if err != nil {
		return nil
	}
	return t
}

// leftDir is a directory that an earlier process had readers of, and which is gone; nil: it had none. The
// caller holds the store's lock.
func (ts *Store) leftDir(a backends.Attr) *merge {
	m := ts.leftDirs[a.ID]
	if _, had := ts.merged[dirKey(a.ID)]; m == nil && had {
		m = ts.newMerge("", a)
		m.removed = true
		ts.leftDirs[a.ID] = m
	}
	return m
}

func dirKey(dir backends.ID) string { return fmt.Sprint(dir) }

// Resumed is called when all that an earlier process had open is open again.
func (ts *Store) Resumed() {
	ts.mu.Lock()
	defer ts.unlock()
	for _, r := range ts.merged {
		ts.ledger.Drop(&r)
	}
	for _, t := range ts.left {
		t.end()
		t.save()
	}
	ts.merged, ts.left, ts.leftDirs = nil, nil, nil
}
