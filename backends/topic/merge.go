package topic

import (
	"strings"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// merge is all topics below a directory as one feed. It is there as long as somebody reads it, and shares
// the messages with the topics.
type merge struct {
	feed
	dir string // path below the class; "" for all there are
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
		m = &merge{feed: newFeed(ts, nil, a.Uid, DefaultRules), dir: dir}
		ts.merges[dir] = m
		ts.feeds[&m.feed] = struct{}{}
	}
	a.Mode, a.Nlink = unix.S_IFREG|a.Mode&0444, 1
	s := &Subscription{holders: 1, may: may, stat: func() (backends.Attr, error) { return a, nil }}
	m.join(s, m.backlog.end(), m.n)
	return s
}

// merge gives a message to those who read a directory above its topic. If there is no room for it there,
// they lose it.
func (ts *Store) merge(one *message, cost int) {
	ts.above(one.topic, func(m *merge) {
		if m.admit(cost) != nil {
			m.n++
			return
		}
		m.give(one)
	})
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

// unmerge is told that nobody reads the feed of a directory any more.
func (ts *Store) unmerge(f *feed) {
	delete(ts.feeds, f)
	for dir, m := range ts.merges {
		if &m.feed == f {
			delete(ts.merges, dir)
		}
	}
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
