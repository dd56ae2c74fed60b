package topic

import (
	"cmp"
	"slices"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// A Snapshot is what a topic keeps in the daemon's memory, as plain data.
type Snapshot struct {
	ID      backends.ID
	Name    string // path below the class
	Last    int64  // when it was published to, in nanoseconds since 1970; 0: never
	N       uint64 // number of the newest message
	Lost    uint64 // messages that readers missed who have gone,
	Given   uint64 // and that such readers got,
	Bytes   uint64 // and theirs
	Changes uint64 // how often the retained value changed

	Published uint64 // bytes

	Cleared, Forgotten uint64 // messages up to these are no value any more, and are not kept

	Messages []SnapshotMessage
}

// A SnapshotMessage is one that was published.
type SnapshotMessage struct {
	N    uint64
	Data []byte
}

// Snapshots tell of all topics that have a name. Nothing may be published meanwhile that is to go on.
func (ts *Store) Snapshots() []Snapshot {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	var list []Snapshot
	if ts.ledger != nil {
		return nil // it is there
	}
	for _, t := range ts.open {
		given := t.given.Moved()
		r := Snapshot{
			ID: t.id, Name: t.name, N: t.n, Published: t.published, Lost: uint64(t.lost.Load()),
			Given: uint64(given.Messages), Bytes: uint64(given.Bytes),
			Changes: t.changes, Cleared: t.cleared, Forgotten: t.forgotten,
		}
		if !t.last.IsZero() {
			r.Last = t.last.UnixNano()
		}
		for pos := t.backlog.first; pos < t.backlog.end(); pos++ {
			s := t.backlog.at(pos)
			r.Messages = append(r.Messages, SnapshotMessage{s.n, s.m.data})
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Snapshot) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Resume has the topics go on from their snapshots, before anybody has opened one. A topic that is gone is
// left out. Messages stay until their readers are back (Subscription.Resume), or the next one is published.
func (ts *Store) Resume(list []Snapshot) {
	for _, r := range list {
		t, err := ts.Topic(backends.Ref{Path: r.Name, Was: backends.Attr{ID: r.ID}})
		if err != nil {
			continue
		}
		t.resume(&r)
	}
}

func (t *Topic) resume(r *Snapshot) {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	t.n, t.changes, t.cleared, t.forgotten = r.N, r.Changes, r.Cleared, r.Forgotten
	t.lost.Store(int64(r.Lost))
	t.given.Add(int64(r.Given), int64(r.Bytes))
	t.published = r.Published
	if r.Last != 0 {
		t.last = time.Unix(0, r.Last)
	}
	for _, m := range r.Messages {
		t.backlog.push(slot{m: &message{topic: t, seq: m.N, data: m.Data, logged: true}, n: m.N})
		t.charge(1, cost(m.Data))
	}
}

// Place is Placer.Place. That of a reader of a whole directory tells only what was missed: the numbers there
// are those of its feed, which keeps no message.
func (s *Subscription) Place() backends.Place {
	s.feed.all.mu.Lock()
	defer s.feed.all.mu.Unlock()
	p := backends.Place{
		Next: s.feed.n + 1, Seen: s.seen, Skipped: s.skipped, Gaps: s.gaps, Before: s.before, Got: s.got,
		Bytes: s.bytes, Cut: s.cut,
	}
	if rest := s.rest(); len(rest) > 0 {
		p.Next = rest[0].n
	}
	return p
}

// Resume is Placer.Resume. What the reader kept for itself beside the backlog (DropNew), and is no more in
// that, counts as missed. The members of a group come each with the place at which they read last: the
// furthest counts.
func (s *Subscription) Resume(p backends.Place) {
	s.feed.all.mu.Lock()
	defer s.feed.all.mu.Unlock()
	if s.topic == nil {
		s.resumeAll(p)
		return
	}
	s.got, s.bytes = max(s.got, p.Got), max(s.bytes, p.Bytes)
	if p.Next < s.from.Next || p.Next == s.from.Next && p.Seen < s.from.Seen {
		return // another member of the group got further
	}
	s.from = p
	b := &s.feed.backlog
	for pos := s.at; pos < b.end(); pos++ {
		b.at(pos).need--
	}
	if s.at = b.after(p.Next - 1); p.Cut {
		s.at = b.end()
	}
	for pos := s.at; pos < b.end(); pos++ {
		b.at(pos).need++
	}
	s.seen, s.skipped, s.gaps, s.before = p.Seen, p.Skipped, p.Gaps, p.Before
	if p.Cut && !s.cut {
		s.cut = true
		delete(s.feed.readers, s)
		s.feed.follow--
	}
}

// Place is Placer.Place: Seen is how many changes it has told of.
func (n *Notice) Place() backends.Place {
	n.t.all.mu.Lock()
	defer n.t.all.mu.Unlock()
	return backends.Place{Seen: n.seen}
}

// Resume is Placer.Resume.
func (n *Notice) Resume(p backends.Place) {
	n.t.all.mu.Lock()
	defer n.t.all.mu.Unlock()
	n.seen = p.Seen
}
