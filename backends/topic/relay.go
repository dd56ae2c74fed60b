package topic

import (
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// A Relay gives to readers here what is published to topics that are kept elsewhere. Its topics have no
// files, and nobody publishes to them here: their messages are given to it, with the numbers that they have
// there. It waits for nothing.
type Relay struct{ all *Store }

// NewRelay makes a relay, whose messages are reckoned with those of another store.
func NewRelay(p *backends.Poller, with *Store) *Relay {
	return &Relay{&Store{
		poll: p, open: map[backends.ID]*Topic{}, merges: map[string]*merge{}, feeds: map[*feed]struct{}{},
		Used: with.Used,
	}}
}

// Topic makes a topic of which the next message is given that has a number above after.
func (r *Relay) Topic(path string, a backends.Attr, rules Rules, after uint64) *Topic {
	r.all.mu.Lock()
	defer r.all.unlock()
	t := r.all.topic(path, a, rules)
	t.n = after
	r.all.open[a.ID] = t
	return t
}

// Give gives a message, whose bytes are the topic's from now on. Those between it and the last one are lost.
func (t *Topic) Give(seq uint64, data []byte, at time.Time) {
	t.all.mu.Lock()
	defer t.all.unlock()
	if t.removed || seq <= t.n {
		return
	}
	t.last = at
	t.changes++
	if t.admit(cost(data)) != nil {
		t.n = seq
		return
	}
	t.n = seq - 1
	t.give(&message{topic: t, seq: seq, data: data})
}

// Void is Give for a message that nobody is to get: it takes back the retained value, and if all is set the
// kept messages, too.
func (t *Topic) Void(seq uint64, all bool) {
	t.all.mu.Lock()
	defer t.all.unlock()
	if t.removed || seq <= t.n {
		return
	}
	t.changes++
	t.cleared = seq
	if all {
		t.forgotten = seq
	}
	if t.admit(cost(nil)) != nil {
		t.n = seq
		return
	}
	t.n = seq - 1
	t.give(&message{topic: t, seq: seq, void: true})
}

// Miss notes that the messages up to a number will not come.
func (t *Topic) Miss(seq uint64) {
	t.all.mu.Lock()
	defer t.all.unlock()
	t.n = max(t.n, seq)
}

// Become has the topic be as it is elsewhere now.
func (t *Topic) Become(a backends.Attr, rules Rules) {
	t.all.mu.Lock()
	defer t.all.unlock()
	if t.attr = a; t.uid != a.Uid {
		messages, cost := t.held, t.bytes
		t.charge(-messages, -cost)
		t.uid = a.Uid
		t.charge(messages, cost)
	}
	if t.rules != rules {
		t.restrict(rules)
	}
}

// End gives up the topic. If it was removed its readers get what they have still to read, and then
// ErrRemoved.
func (t *Topic) End(removed bool) {
	t.all.mu.Lock()
	defer t.all.unlock()
	if t.all.open[t.id] == t {
		delete(t.all.open, t.id)
	}
	if removed {
		t.attr.Nlink = 0
		t.end()
		return
	}
	for t.backlog.len() > 0 {
		t.drop()
	}
	delete(t.all.feeds, &t.feed)
}

// All opens a subscription to what is announced from now on of the topics below a directory, where may allows
// it.
func (r *Relay) All(dir string, a backends.Attr, may func(way []backends.Attr) bool) *Subscription {
	r.all.mu.Lock()
	defer r.all.mu.Unlock()
	return r.all.subscribe(dir, a, may)
}

// State tells about those who read a directory.
func (r *Relay) State(dir string) State { return r.all.AllState(dir) }

// Announce gives a message of a topic to those who read a directory above it. way are the attributes of the
// directories that lead to the topic, and its own; lost is how many messages did not come before this one.
func (r *Relay) Announce(path string, way []backends.Attr, seq, lost uint64, data []byte) {
	r.all.mu.Lock()
	defer r.all.unlock()
	t := &Topic{name: path, way: way}
	t.all, t.removed, t.given = r.all, true, new(backends.Flow) // which nobody asks for
	r.all.above(t, func(m *merge) {
		m.n += lost
		m.offer(&message{topic: t, seq: seq, data: data}, cost(data))
	})
}
