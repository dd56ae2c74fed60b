// Package topic owns topics: what is published to one goes to all who read it. No kernel object is behind
// them: the daemon keeps the messages in its memory, and what is left of them is gone when it ends, unless
// another process goes on from its ledger. Whose a topic is and its Rules are kept in a file.
//
// A Store keeps all topics. A Topic is open for publishing; a Subscription is one reader, or a group of
// readers that share, with a place in the messages of a topic or of all topics below a directory. These are
// Endpoints. A Relay feeds readers of a topic that is kept elsewhere. Rules say how much waits for slow
// readers, and what becomes of them.
//
// All is safe for concurrent use: one lock, the Store's, guards what is published and read, and whoever
// waits is woken with no lock held. Nothing waits, but for the disk where rules are kept. Errors:
// backends.ErrWouldBlock where a publisher has to wait for readers, ErrCut for a reader who was too slow,
// EDQUOT for a user whose topics hold too much. Package nodes calls it.
package topic

import (
	"strings"
	"sync"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// Store are the topics whose files are in a directory of the daemon's. Messages that a daemon held end with
// it, unless there is a ledger (Lasts). One lock guards all topics: what is done under it is short, but for
// looks at their files, and never a call to somebody else.
type Store struct {
	Used *backends.Budget // what the topics of each user cost, in bytes

	poll *backends.Poller
	dir  *backends.Dir

	mu     sync.Mutex
	open   map[backends.ID]*Topic // a topic that was never used is not in it
	merges map[string]*merge      // by directory
	feeds  map[*feed]struct{}     // those that are removed, too, as long as they have something to be read
	ways   uint64                 // how often an attribute or a name changed
	wakes  []func()               // to be called when the lock is free

	ledger  *backends.Ledger           // nil: nothing is written
	numbers uint64                     // of topics in it
	merged  map[string]backends.Record // of directories that an earlier process had readers of
	works   map[uint64]bool            // by which an earlier process published what is kept
	coder   []byte
	reader  *Subscription // who takes a message just now

	// what an earlier process had open, and has no name any more, until Resumed
	left     map[backends.ID]*Topic
	leftDirs map[backends.ID]*merge
}

// NewStore finds the topics in dir.
func NewStore(p *backends.Poller, dir *backends.Dir) *Store {
	return &Store{
		poll: p, dir: dir,
		open: map[backends.ID]*Topic{}, merges: map[string]*merge{}, feeds: map[*feed]struct{}{},
		Used: newTopicBytes(),
	}
}

// unlock hands the wakes of those for whom something has become ready to the poller, and frees the lock. It
// wakes nobody itself: that takes a gate's lock, and the caller holds another gate's.
func (ts *Store) unlock() {
	if len(ts.wakes) > 0 {
		ts.poll.Wake(ts.wakes)
		ts.wakes = backends.Forget(ts.wakes)
	}
	ts.mu.Unlock()
}

// Create makes a topic that must not exist yet: EEXIST. EDQUOT: its owner has as many files as one user may.
func (ts *Store) Create(n backends.Name, o backends.Owner) (backends.Attr, error) {
	return ts.dir.Mknod(n, unix.S_IFREG, o)
}

// Topic finds the very topic that was seen; ESTALE if its name is another's by now.
func (ts *Store) Topic(r backends.Ref) (*Topic, error) {
	t, _, err := ts.find(r)
	return t, err
}

// Open is Topic for those who were judged by what was seen.
func (ts *Store) Open(r backends.Ref) (*Topic, error) {
	t, a, err := ts.find(r)
	if err == nil {
		err = r.Judged(a)
	}
	return t, err
}

func (ts *Store) find(r backends.Ref) (*Topic, backends.Attr, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	a, err := ts.dir.Stat(r)
	if err != nil {
		if t := ts.left[r.Was.ID]; t != nil && backends.IsGone(err) {
			return t, r.Was, nil
		}
		return nil, a, err
	}
	if a.Type() != unix.S_IFREG {
		return nil, a, unix.EISDIR
	}
	t := ts.open[a.ID]
	if t == nil {
		rules, broken, err := loadRules(ts.dir, backends.Ref{Path: r.Path, Was: a})
		if err != nil {
			return nil, a, err
		}
		t = ts.topic(r.Path, a, rules)
		t.broken = broken
		ts.open[a.ID] = t
		t.save()
		t.count()
	}
	t.attr = a
	return t, a, nil
}

// topic makes one. The caller holds the store's lock.
func (ts *Store) topic(path string, a backends.Attr, rules Rules) *Topic {
	t := &Topic{id: a.ID, name: path, attr: a, groups: map[string]*Subscription{}}
	t.feed = newFeed(ts, t, a.Uid, rules)
	ts.feeds[&t.feed] = struct{}{}
	return t
}

// Show makes attributes of a topic's file those of the topic.
func (ts *Store) Show(a backends.Attr) backends.Attr {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.open[a.ID]; t != nil {
		return t.show(a)
	}
	a.Size, a.Blocks = 0, 0
	return a
}

// Change sets attributes of a topic or a directory. Setting the size of a topic takes back its retained
// value.
func (ts *Store) Change(r backends.Ref, c backends.Change) error {
	if c.Size != nil {
		t, err := ts.Topic(r)
		if err != nil {
			return err
		}
		t.Clear()
		c.Size = nil
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if err := ts.dir.Change(r, c); err != nil {
		return err
	}
	ts.ways++
	a, err := ts.dir.Stat(r)
	if err != nil {
		return err
	}
	f := (*feed)(nil)
	if t := ts.open[a.ID]; t != nil {
		f = &t.feed
	} else if m := ts.merges[r.Path]; m != nil {
		f = &m.feed
	}
	if f != nil && f.uid != a.Uid {
		// What it holds is the new owner's from now on.
		messages, cost := f.held, f.bytes
		f.charge(-messages, -cost)
		f.uid = a.Uid
		f.charge(messages, cost)
		if f.topic != nil {
			f.topic.attr = a
			f.topic.save()
		}
	}
	return nil
}

// Remove is unlink(2), if may allows it for what is there. Those who read the topic get what they have
// still to read and then ErrRemoved.
func (ts *Store) Remove(n backends.Name, may func(backends.Attr) error) error {
	ts.mu.Lock()
	defer ts.unlock()
	a, err := ts.judged(n, may)
	if err != nil {
		return err
	}
	ts.look(a)
	if err := ts.dir.Remove(n); err != nil {
		return err
	}
	ts.gone(a)
	return nil
}

// judged is what there is of a name, if may allows what is to be done to it.
func (ts *Store) judged(n backends.Name, may func(backends.Attr) error) (backends.Attr, error) {
	a, err := ts.dir.Find(n)
	if err == nil {
		err = may(a)
	}
	return a, err
}

// look has the topic of a file that may be about to go know who may read it.
func (ts *Store) look(a backends.Attr) {
	if t := ts.open[a.ID]; t != nil && len(ts.merges) > 0 {
		t.path()
	}
}

// gone ends the topic of a file that was removed.
func (ts *Store) gone(a backends.Attr) {
	ts.ways++
	t := ts.open[a.ID]
	if t == nil || a.Nlink > 1 {
		return
	}
	t.attr = a
	t.attr.Nlink = 0
	delete(ts.open, a.ID)
	t.uncount()
	t.end()
	t.save()
}

// Rmdir is rmdir(2), if may allows it. Those who read all topics below the directory get ErrRemoved.
func (ts *Store) Rmdir(n backends.Name, may func(backends.Attr) error) error {
	ts.mu.Lock()
	defer ts.unlock()
	if _, err := ts.judged(n, may); err != nil {
		return err
	}
	if err := ts.dir.Rmdir(n); err != nil {
		return err
	}
	ts.ways++
	name := n.Path()
	if m := ts.merges[name]; m != nil {
		delete(ts.merges, name)
		m.end()
	}
	return nil
}

// Rename is renameat2(2), if may allows it for what is moved and what is replaced. Readers follow what they
// read to its new name; a topic that is replaced ends.
func (ts *Store) Rename(source, dest backends.Name, flags uint32, may func(backends.Attr) error) error {
	ts.mu.Lock()
	defer ts.unlock()
	a, err := ts.dir.Find(source)
	if err == nil {
		err = may(a)
	}
	if err != nil {
		return err
	}
	old, missing := ts.dir.Find(dest)
	if missing == nil {
		if err := may(old); err != nil {
			return err
		}
	}
	ts.look(old)
	if err := ts.dir.Rename(source, dest, flags); err != nil {
		return err
	}
	from, to := source.Path(), dest.Path()
	moved := func(name string) string {
		switch {
		case within(name, from):
			return to + name[len(from):]
		case within(name, to) && flags&unix.RENAME_EXCHANGE != 0:
			return from + name[len(to):]
		}
		return name
	}
	if missing == nil && a.ID != old.ID && flags&unix.RENAME_EXCHANGE == 0 {
		ts.gone(old)
		if m := ts.merges[to]; m != nil {
			delete(ts.merges, to)
			m.end()
		}
	}
	ts.ways++
	for _, t := range ts.open {
		if to := moved(t.name); to != t.name {
			t.name = to
			t.save()
		}
	}
	merges := make(map[string]*merge, len(ts.merges))
	for _, m := range ts.merges {
		m.dir = moved(m.dir)
		merges[m.dir] = m
	}
	ts.merges = merges
	return nil
}

func within(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, dir) && name[len(dir)] == '/'
}

// path are the attributes of the directories that lead to the topic, and its own.
func (t *Topic) path() []backends.Attr {
	if t.wayAt == t.all.ways && t.way != nil || t.removed {
		return t.way
	}
	var way []backends.Attr
	for i := 0; i <= len(t.name); i++ {
		if i < len(t.name) && t.name[i] != '/' {
			continue
		}
		a, err := t.all.dir.Stat(backends.Ref{Path: t.name[:i]})
		if err != nil {
			break
		}
		way = append(way, a)
	}
	t.way, t.wayAt = way, t.all.ways
	return way
}
