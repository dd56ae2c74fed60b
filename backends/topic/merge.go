package topic

import (
	"strings"
	"sync/atomic"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// merge is all topics below a directory as one feed. It is there as long as somebody reads it, and shares
// the messages with the topics.
type merge struct {
	feed
	dir   string          // path below the class; "" for all there are
	saved backends.Record // in the ledger: its number, which tells readers what they missed
	told  *atomic.Int64   // there
}

// All opens a subscription to what is published from now on to any topic below a directory, where may,
// given the attributes of the directories that lead to the topic and of the topic itself, allows it.
func (ts *Store) All(at backends.Ref, may func(way []backends.Attr) bool) (*Subscription, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	a, err := ts.dir.Stat(at)
	if err == nil && at.Path != "" {
		err = at.Judged(a)
	}
	if backends.IsGone(err) {
		if m := ts.leftDir(at.Was); m != nil {
			return m.subscribe(at.Was, may), nil
		}
	}
	if err != nil {
		return nil, err
	}
	if a.Type() != unix.S_IFDIR {
		return nil, unix.ENOTDIR
	}
	return ts.subscribe(at.Path, a, may), nil
}

// subscribe is All for a directory that was found. The caller holds Store.mu.
func (ts *Store) subscribe(dir string, a backends.Attr, may func(way []backends.Attr) bool) *Subscription {
	m := ts.merges[dir]
	if m == nil {
		m = ts.newMerge(dir, a)
		ts.merges[dir] = m
		ts.feeds[&m.feed] = struct{}{}
	}
	return m.subscribe(a, may)
}

func (ts *Store) newMerge(dir string, a backends.Attr) *merge {
	m := &merge{feed: newFeed(ts, nil, a.Uid, DefaultRules), dir: dir}
	m.feed.merge = m
	m.count(a.ID)
	return m
}

// subscribe adds a reader. a is of the directory.
func (m *merge) subscribe(a backends.Attr, may func(way []backends.Attr) bool) *Subscription {
	a.Mode, a.Nlink = unix.S_IFREG|a.Mode&0444, 1
	s := &Subscription{holders: 1, may: may, stat: func() (backends.Attr, error) { return a, nil }}
	m.join(s, m.backlog.end(), m.n)
	return s
}

// merge gives a message to those who read a directory above its topic. If there is no room for it there,
// they lose it.
func (ts *Store) merge(one *message, cost int) {
	ts.above(one.topic, func(m *merge) { m.offer(one, cost) })
}

// offer gives a message to the readers, if there is room.
func (m *merge) offer(one *message, cost int) {
	if m.admit(cost) == nil {
		m.give(one)
	} else {
		m.n++
	}
	m.told.Store(int64(m.n))
}

// count has the number of the last message be in the ledger, and goes on from what an earlier process left
// there of the directory.
func (m *merge) count(dir backends.ID) {
	key := dirKey(dir)
	m.saved = m.all.merged[key]
	delete(m.all.merged, key)
	number := uint64(0) // not the inode's, which another directory may have while this one is still read
	if m.all.ledger != nil {
		number = m.all.ledger.Number()
	}
	m.told = &m.all.ledger.Counts(&m.saved, backends.MergeRecord, number, 1, key)[0]
	m.n = uint64(m.told.Load())
}

// uncount takes it out, when nobody is to read the directory any more.
func (m *merge) uncount() {
	m.told = new(atomic.Int64)
	m.all.ledger.Drop(&m.saved)
}

// resumeAll is Resume of a reader of a directory. What they had still to read is gone with the earlier
// process, and counts as missed.
func (s *Subscription) resumeAll(p backends.Place) {
	if p.Next == 0 {
		return // it was never written down
	}
	s.feed.n = max(s.feed.n, p.Seen+p.Skipped)
	s.seen, s.skipped, s.gaps, s.before = p.Seen, p.Skipped, p.Gaps, p.Before
}

// above calls f for each merge that the topic is part of.
func (ts *Store) above(t *Topic, f func(*merge)) {
	if len(ts.merges) == 0 {
		return
	}
	if m := ts.merges[""]; m != nil {
		f(m)
	}
	for i := strings.IndexByte(t.name, '/'); i >= 0; {
		if m := ts.merges[t.name[:i]]; m != nil {
			f(m)
		}
		next := strings.IndexByte(t.name[i+1:], '/')
		if next < 0 {
			return
		}
		i += 1 + next
	}
}

// unmerge is told that nobody reads a directory any more.
func (ts *Store) unmerge(m *merge) {
	delete(ts.feeds, &m.feed)
	if ts.merges[m.dir] == m {
		delete(ts.merges, m.dir)
	}
	m.uncount()
}

// AllState tells about those who read a directory.
func (ts *Store) AllState(dir string) State {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if m := ts.merges[dir]; m != nil {
		return m.state()
	}
	return State{}
}
