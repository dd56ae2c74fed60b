package topic

import (
	"math"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// A Subscription reads a topic, or all topics below a directory, from where it stands: each of its messages
// once, in order. The members of a group share one. It is an Endpoint and a Lender.
type Subscription struct {
	feed    *feed
	topic   *Topic // a write publishes to it; nil for a directory
	group   string // "" for a subscription of its own
	holders int
	writes  bool                          // some of its open files may write
	may     func([]backends.Attr) bool    // which topics below a directory its reader may read; nil: all
	stat    func() (backends.Attr, error) // of the file it was opened through

	wait    sleeper
	at      uint64 // its position in the backlog
	own     []slot // what it has still to read if it was set apart (DropNew): the position means nothing then
	seen    uint64 // the number of the last message it got or that came before it joined
	skipped uint64 // how many it may not read and passed over since
	gaps    uint64 // how many it missed before seen,
	before  uint64 // and how many of them were not there any more when it began
	cut     bool
	got     uint64         // how many messages,
	bytes   uint64         // and theirs
	from    backends.Place // where it went on when an earlier process had ended

	done []backends.Record // of messages that it got, and nobody else is to get
}

// rejoin puts a reader who was set apart back at the end of the backlog.
func (s *Subscription) rejoin() {
	s.at = s.feed.backlog.end()
	s.feed.follow++
}

// keep has a reader who is set apart hold a message as its own.
func (s *Subscription) keep(one slot) {
	s.own = append(s.own, one)
	one.m.pins++
	s.feed.apart++
	s.feed.charge(0, slotCost)
}

// unkeep lets go of the first of those.
func (s *Subscription) unkeep() {
	one := s.own[0]
	s.own[0] = slot{}
	if s.own = s.own[1:]; len(s.own) == 0 {
		s.own = nil
	}
	one.m.pins--
	s.feed.apart--
	s.feed.charge(0, -slotCost)
	s.feed.unpinned(one.m)
}

// giveUp lets go of all messages the reader has still to read.
func (s *Subscription) giveUp() {
	if len(s.own) > 0 {
		for len(s.own) > 0 {
			s.unkeep()
		}
		return
	}
	b := &s.feed.backlog
	for pos := max(s.at, b.first); pos < b.end(); pos++ {
		b.at(pos).need--
	}
	s.feed.follow--
}

// next is what a read would get now.
func (s *Subscription) next() (slot, error) {
	if s.cut {
		return slot{}, ErrCut
	}
	for len(s.own) > 0 {
		if !s.own[0].m.void {
			return s.own[0], nil
		}
		s.skipped++
		if s.unkeep(); len(s.own) == 0 {
			s.rejoin()
		}
	}
	b := &s.feed.backlog
	for s.at = max(s.at, b.first); s.at < b.end(); s.pass() {
		if one := *b.at(s.at); !one.m.void && (s.may == nil || s.may(one.m.topic.path())) {
			return one, nil
		}
		s.skipped++
	}
	if s.feed.removed {
		return slot{}, backends.ErrRemoved
	}
	return slot{}, backends.ErrWouldBlock
}

// pass goes on to the next position.
func (s *Subscription) pass() {
	s.feed.backlog.at(s.at).need--
	s.at++
	s.feed.trim()
}

// rest is what the reader has still to read.
func (s *Subscription) rest() []slot {
	b := &s.feed.backlog
	switch {
	case s.cut:
		return nil
	case len(s.own) > 0:
		return s.own
	}
	return b.slots[len(b.slots)-int(b.end()-max(s.at, b.first)):]
}

// lost is how many messages the reader missed before the one with number n, which is its next.
func (s *Subscription) lost(n uint64) uint64 { return n - s.seen - 1 - s.skipped }

// missed is how many of the messages that were published or kept since it began the reader did not get and
// will not.
func (s *Subscription) missed() uint64 {
	return s.gaps + s.feed.n - s.seen - s.skipped - uint64(len(s.rest())) - s.before
}

// TryLend is Lender.TryLend.
func (s *Subscription) TryLend(most int) ([]byte, backends.Meta, error) {
	ts := s.feed.all
	ts.mu.Lock()
	defer ts.unlock()
	ts.reader = s
	defer func() { ts.reader = nil }()
	one, err := s.next()
	if err != nil {
		return nil, backends.Meta{}, err
	}
	if len(one.m.data) > most {
		return nil, backends.Meta{}, unix.EMSGSIZE
	}
	m := backends.Meta{Seq: one.m.seq, Lost: s.lost(one.n)}
	if s.topic == nil {
		m.Topic = one.m.topic.name
	}
	s.gaps += m.Lost
	s.seen, s.skipped = one.n, 0
	s.got++
	s.bytes += uint64(len(one.m.data))
	if s.topic == nil {
		one.m.topic.given.Add(1, int64(len(one.m.data)))
	}
	if len(s.own) == 0 {
		s.pass()
		return one.m.data, m, nil
	}
	if s.unkeep(); len(s.own) == 0 {
		s.rejoin()
	}
	return one.m.data, m, nil
}

// TryRead is TryLend with a copy.
func (s *Subscription) TryRead(p []byte) (int, backends.Meta, error) {
	msg, m, err := s.TryLend(math.MaxInt)
	return copy(p, msg), m, err
}

// TryWrite publishes to the topic.
func (s *Subscription) TryWrite(p []byte, m backends.Meta) (int, error) {
	if s.topic == nil {
		return 0, unix.EBADF
	}
	return s.topic.TryWrite(p, m)
}

// Unit is MaxMessage.
func (s *Subscription) Unit() int { return backends.MaxMessage }

// Ready is Waiter.Ready. Out is only for those who may write.
func (s *Subscription) Ready() backends.Ready {
	s.feed.all.mu.Lock()
	defer s.feed.all.unlock()
	return s.ready()
}

func (s *Subscription) ready() (ready backends.Ready) {
	if _, err := s.next(); err == nil {
		ready = backends.In
	}
	switch {
	case s.feed.removed || s.cut:
		ready |= backends.Err
	case s.writes && !s.feed.full():
		ready |= backends.Out
	}
	return ready
}

// Arm is Waiter.Arm.
func (s *Subscription) Arm(want backends.Ready, wake func()) {
	s.feed.all.mu.Lock()
	defer s.feed.all.unlock()
	s.feed.arm(&s.wait, s.ready(), want, wake)
}

// Stat is that of the file it was opened through, with the bytes that wait for this reader as its size.
func (s *Subscription) Stat() (backends.Attr, error) {
	a, err := s.stat()
	s.feed.all.mu.Lock()
	defer s.feed.all.unlock()
	a.Size = 0
	for _, one := range s.rest() {
		a.Size += int64(len(one.m.data))
	}
	return a, err
}

// Close ends the subscription when the last who shares it has closed it.
func (s *Subscription) Close() error {
	ts := s.feed.all
	ts.mu.Lock()
	defer ts.unlock()
	if s.holders--; s.holders > 0 {
		return nil
	}
	if s.group != "" && s.topic.groups[s.group] == s {
		delete(s.topic.groups, s.group)
	}
	s.feed.sleepers.forget(&s.wait)
	if !s.cut {
		s.feed.leave(s)
	}
	if s.topic != nil {
		s.topic.unuse()
	}
	return nil
}
