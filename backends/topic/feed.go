package topic

import (
	"errors"
	"sync/atomic"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// feed is what one topic, or all topics below a directory, give to their readers: a backlog of messages
// that all share, in which each reader has a place. Store.mu guards it.
type feed struct {
	all      *Store
	topic    *Topic // nil for a directory
	merge    *merge // nil for a topic
	uid      uint32 // whose memory it is
	rules    Rules
	backlog  backlog
	n        uint64 // number of the last message it was offered
	held     int    // how many messages it holds, in the backlog or beside it
	apart    int    // slots of readers who are set apart
	bytes    int    // what both cost
	readers  map[*Subscription]struct{}
	follow   int            // how many of them follow the backlog
	watchers int            // notices that are open
	lost     *atomic.Int64  // messages that readers missed who have gone; of a topic it may be in the ledger
	given    *backends.Flow // what such readers got, each message counted for each of them; likewise
	sleepers sleepers
	stalled  bool // a publisher was told to wait (Block), and nothing has made room since
	removed  bool
}

func newFeed(all *Store, t *Topic, uid uint32, r Rules) feed {
	return feed{all: all, topic: t, uid: uid, rules: r, readers: map[*Subscription]struct{}{},
		lost: new(atomic.Int64), given: new(backends.Flow)}
}

// errNobody is admit's answer for a message that nobody is to get (DropNew).
var errNobody = errors.New("no room for a new message")

// admit makes room for a message of this cost, by the rule for slow readers: ErrWouldBlock or errNobody if
// the rule makes none, and EDQUOT if the owner's topics hold all they may.
func (f *feed) admit(cost int) error {
	for f.backlog.len() >= f.rules.window() || f.bytes+cost > f.rules.Bytes {
		if f.backlog.len() == 0 {
			return errNobody // what there is, readers keep beside the backlog
		}
		if f.backlog.at(f.backlog.first).need == 0 {
			f.drop()
			continue
		}
		switch f.rules.Slow {
		case DropOld:
			f.drop()
		case Block:
			f.stalled = true
			return backends.ErrWouldBlock
		case Cut:
			f.cutSlowest()
		case DropNew:
			if f.backlog.len() < f.rules.window() || !f.setApart(cost) {
				return errNobody
			}
		}
	}
	return f.all.afford(f, cost)
}

// give adds a message that was admitted and wakes the readers.
func (f *feed) give(m *message) {
	f.n++
	s := slot{m: m, n: f.n, need: f.follow}
	if f.topic != nil {
		m.logged = true
	}
	f.charge(1, cost(m.data))
	f.backlog.push(s)
	if f.follow < len(f.readers) {
		for r := range f.readers {
			if len(r.own) > 0 && len(r.own) < f.rules.window() && f.room(slotCost) {
				r.keep(s)
			}
		}
	}
	f.trim()
	f.all.wakes = f.sleepers.take(backends.In, f.all.wakes)
}

// drop removes the oldest message, whether or not somebody has still to read it.
func (f *feed) drop() {
	s := f.backlog.pop()
	if f.topic == nil {
		f.charge(-1, -cost(s.m.data))
		return
	}
	s.m.logged = false
	f.all.unsave(s.m)
	f.unpinned(s.m)
}

// unpinned gives up the memory of a message of the topic's that nobody holds any more.
func (f *feed) unpinned(m *message) {
	if !m.logged && m.pins == 0 {
		f.charge(-1, -cost(m.data))
	}
}

// trim drops what everybody has read and nobody asked to keep, and tells publishers who wait if there is
// room now.
func (f *feed) trim() {
	for f.backlog.len() > 0 && f.backlog.at(f.backlog.first).need == 0 && !f.keeps() {
		f.drop()
	}
	if f.removed && f.backlog.len() == 0 {
		delete(f.all.feeds, f)
	}
	if f.rules.Slow == Block && !f.crowded() {
		f.stalled = false
		f.all.wakes = f.sleepers.take(backends.Out, f.all.wakes)
	}
}

// keeps reports whether the oldest message stays when everybody has read it.
func (f *feed) keeps() bool { return f.topic != nil && !f.removed && f.topic.keepsOldest() }

// crowded reports whether the slowest reader has as many messages to read as it may have.
func (f *feed) crowded() bool {
	return f.backlog.len() >= f.rules.window() && f.backlog.at(f.backlog.first).need > 0
}

// full reports whether a publisher would have to wait.
func (f *feed) full() bool { return f.rules.Slow == Block && (f.stalled || f.crowded()) }

// charge reckons what the feed holds from now on: messages more, and what they and the slots of readers who
// are set apart cost.
func (f *feed) charge(messages, cost int) {
	f.held += messages
	f.bytes += cost
	f.all.Used.Add(f.uid, int64(cost))
}

// room reports whether the feed may hold so much more.
func (f *feed) room(cost int) bool {
	return f.bytes+cost <= f.rules.Bytes && f.all.Used.Fits(f.uid, int64(cost))
}

// setApart gives those readers who are slowest what they have still to read as their own, so that the
// backlog can go on without them. They get no new message until they have room for it. It does nothing if
// that, and a message of this cost, is more than there is room for.
func (f *feed) setApart(cost int) bool {
	var slowest []*Subscription
	for r := range f.readers {
		if len(r.own) == 0 && r.at <= f.backlog.first {
			slowest = append(slowest, r)
		}
	}
	if !f.room(cost + len(slowest)*f.backlog.len()*slotCost) {
		return false
	}
	for _, r := range slowest {
		for pos := f.backlog.first; pos < f.backlog.end(); pos++ {
			s := f.backlog.at(pos)
			s.need--
			r.keep(*s)
		}
		f.follow--
	}
	return true
}

// cutSlowest ends the subscriptions of those who have still to read the oldest message.
func (f *feed) cutSlowest() {
	for r := range f.readers {
		if len(r.own) == 0 && r.at <= f.backlog.first {
			f.lost.Add(int64(len(r.rest())))
			f.leave(r)
			r.cut = true
			f.all.wakes = f.sleepers.end(&r.wait, f.all.wakes)
		}
	}
}

// join adds a reader who is to get what stands at pos and what follows.
func (f *feed) join(r *Subscription, pos, seen uint64) {
	r.feed, r.at, r.seen = f, pos, seen
	r.before = f.n - seen - (f.backlog.end() - pos)
	for ; pos < f.backlog.end(); pos++ {
		f.backlog.at(pos).need++
	}
	f.readers[r] = struct{}{}
	f.follow++
}

// leave takes a reader out. What it missed counts as lost; what it has not read does not.
func (f *feed) leave(r *Subscription) {
	f.lost.Add(int64(r.missed()))
	f.given.Add(int64(r.got), int64(r.bytes))
	delete(f.readers, r)
	r.giveUp()
	f.trim()
	if f.topic == nil && len(f.readers) == 0 {
		f.all.unmerge(f.merge)
	}
}

// end is told that nothing more will come.
func (f *feed) end() {
	f.removed = true
	f.all.wakes = f.sleepers.endAll(f.all.wakes)
	f.trim()
}

// arm is the Arm of a Waiter of the feed's that is ready for something. One for whom nothing more will come
// is told so once.
func (f *feed) arm(s *sleeper, ready, want backends.Ready, wake func()) {
	over := ready&backends.Err != 0
	if ready&want != 0 || over && !s.told {
		s.told = s.told || over
		f.all.wakes = append(f.all.wakes, wake)
		return
	}
	f.sleepers.add(s, want, wake)
}

// restrict makes new rules hold for what the feed has now. Readers who were set apart lose what they kept
// if the rule does not know such readers, or if it would be too much.
func (f *feed) restrict(r Rules) {
	f.rules = r
	for f.backlog.len() > 0 && (f.backlog.len() > r.window() || f.bytes > r.Bytes) {
		f.drop()
	}
	for reader := range f.readers {
		if len(reader.own) > 0 && (r.Slow != DropNew || f.bytes > r.Bytes) {
			reader.giveUp()
			reader.rejoin()
		}
	}
	f.stalled = false
	f.all.wakes = f.sleepers.take(backends.Out, f.all.wakes)
	f.trim()
}

// afford makes the owner of f have room for cost more bytes of messages: of their topics whose rule allows
// it, the one that holds most gives up its oldest message, but not its only one, unless it was removed.
func (ts *Store) afford(f *feed, cost int) error {
	for !ts.Used.Fits(f.uid, int64(cost)) {
		var fat *feed
		for g := range ts.feeds {
			switch {
			case g.uid != f.uid || fat != nil && g.bytes <= fat.bytes:
			case g.backlog.len() == 0 || g.backlog.len() == 1 && g != f && !g.removed:
			case g.rules.Slow == DropOld || g.backlog.at(g.backlog.first).need == 0:
				fat = g
			}
		}
		if fat == nil {
			return unix.EDQUOT
		}
		fat.drop()
	}
	return nil
}
