package backends

import (
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Topics are the topics whose files are in a directory of the daemon's. Messages that a daemon held end with it. One lock guards all
// topics: what is done under it is short, and never a call to somebody else.
type Topics struct {
	Used *Budget // what the topics of each user cost, in bytes

	poll *Poller
	dir  *Dir

	mu     sync.Mutex
	open   map[uint64]*Topic // by inode; a topic that was never used is not in it
	merges map[string]*merge // by directory
	feeds  map[*feed]struct{}
	ways   uint64   // how often an attribute or a name changed
	wakes  []func() // to be called when the lock is free
}

// NewTopics finds the topics in dir.
func NewTopics(p *Poller, dir *Dir) *Topics {
	return &Topics{
		poll: p, dir: dir,
		open: map[uint64]*Topic{}, merges: map[string]*merge{}, feeds: map[*feed]struct{}{},
		Used: newTopicBytes(),
	}
}

// unlock frees the lock, and then has those woken for whom something has become ready: an endpoint is woken with its gate's lock, and the
// one who did this to it holds another gate's.
func (ts *Topics) unlock() {
	wakes := ts.wakes
	ts.wakes = nil
	ts.mu.Unlock()
	if len(wakes) > 0 {
		ts.poll.Soon(func() {
			for _, wake := range wakes {
				wake()
			}
		})
	}
}

// Create makes a topic that must not exist yet.
func (ts *Topics) Create(name string, o Owner) error { return ts.dir.Mknod(name, unix.S_IFREG, o) }

// Topic finds a topic.
func (ts *Topics) Topic(name string) (*Topic, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	a, err := ts.dir.Stat(name)
	if err != nil {
		return nil, err
	}
	if a.Type() != unix.S_IFREG {
		return nil, unix.EISDIR
	}
	t := ts.open[a.Ino]
	if t == nil {
		rules, err := loadRules(ts.dir, name)
		if err != nil {
			return nil, err
		}
		t = &Topic{ino: a.Ino, name: name, groups: map[string]*Subscription{}}
		t.feed = newFeed(ts, t, a.Uid, rules)
		ts.open[a.Ino] = t
		ts.feeds[&t.feed] = struct{}{}
	}
	t.attr = a
	return t, nil
}

// Show makes attributes of a topic's file those of the topic.
func (ts *Topics) Show(a Attr) Attr {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.open[a.Ino]; t != nil {
		return t.show(a)
	}
	a.Size, a.Blocks = 0, 0
	return a
}

// Change sets attributes of a topic or a directory. Setting the size of a topic takes back its retained value.
func (ts *Topics) Change(name string, c Change) error {
	if c.Size != nil {
		t, err := ts.Topic(name)
		if err != nil {
			return err
		}
		t.Clear()
		c.Size = nil
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if err := ts.dir.Change(name, c); err != nil {
		return err
	}
	ts.ways++
	a, err := ts.dir.Stat(name)
	if err != nil {
		return err
	}
	f := (*feed)(nil)
	if t := ts.open[a.Ino]; t != nil {
		f = &t.feed
	} else if m := ts.merges[name]; m != nil {
		f = &m.feed
	}
	if f != nil && f.uid != a.Uid {
		// What it holds is the new owner's from now on.
		messages, cost := f.held, f.bytes
		f.charge(-messages, -cost)
		f.uid = a.Uid
		f.charge(messages, cost)
	}
	return nil
}

// Remove is unlink(2). Those who read the topic get what they have still to read and then ErrRemoved.
func (ts *Topics) Remove(name string) error {
	ts.mu.Lock()
	defer ts.unlock()
	a, err := ts.dir.Stat(name)
	if err != nil {
		return err
	}
	ts.look(a)
	if err := ts.dir.Remove(name); err != nil {
		return err
	}
	ts.gone(a)
	return nil
}

// look has the topic of a file that may be about to go know who may read it.
func (ts *Topics) look(a Attr) {
	if t := ts.open[a.Ino]; t != nil && len(ts.merges) > 0 {
		t.path()
	}
}

// gone ends the topic of a file that was removed.
func (ts *Topics) gone(a Attr) {
	ts.ways++
	t := ts.open[a.Ino]
	if t == nil || a.Nlink > 1 {
		return
	}
	t.attr = a
	t.attr.Nlink = 0
	delete(ts.open, a.Ino)
	delete(ts.feeds, &t.feed)
	t.end()
}

// Rmdir is rmdir(2). Those who read all topics below the directory get ErrRemoved.
func (ts *Topics) Rmdir(name string) error {
	ts.mu.Lock()
	defer ts.unlock()
	if err := ts.dir.Rmdir(name); err != nil {
		return err
	}
	ts.ways++
	if m := ts.merges[name]; m != nil {
		delete(ts.merges, name)
		m.end()
	}
	return nil
}

// Rename is renameat2(2). Readers follow what they read to its new name; a topic that is replaced ends.
func (ts *Topics) Rename(from, to string, flags uint32) error {
	ts.mu.Lock()
	defer ts.unlock()
	old, missing := ts.dir.Stat(to)
	ts.look(old)
	if err := ts.dir.Rename(from, to, flags); err != nil {
		return err
	}
	moved := func(name string) string {
		switch {
		case within(name, from):
			return to + name[len(from):]
		case within(name, to) && flags&unix.RENAME_EXCHANGE != 0:
			return from + name[len(to):]
		}
		return name
	}
	now, err := ts.dir.Stat(to)
	if missing == nil && err == nil && now.Ino != old.Ino && flags&unix.RENAME_EXCHANGE == 0 {
		ts.gone(old)
		if m := ts.merges[to]; m != nil {
			delete(ts.merges, to)
			m.end()
		}
	}
	ts.ways++
	for _, t := range ts.open {
		t.name = moved(t.name)
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
func (t *Topic) path() []Attr {
	if t.wayAt == t.all.ways && t.way != nil || t.removed {
		return t.way
	}
	var way []Attr
	for i := 0; i <= len(t.name); i++ {
		if i < len(t.name) && t.name[i] != '/' {
			continue
		}
		a, err := t.all.dir.Stat(t.name[:i])
		if err != nil {
			break
		}
		way = append(way, a)
	}
	t.way, t.wayAt = way, t.all.ways
	return way
}
