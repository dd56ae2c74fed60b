package nats

import (
	"slices"
	"sort"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// doubt asks whether the group's consumer is still there, and what it says of itself. One that is gone is
// made anew, behind what it had given. It asks until there is an answer.
func (g *group) doubt() {
	if g.asks || g.over() {
		return
	}
	was := g.top.Stream
	err := g.about("INFO", nil, func(info *nats.ConsumerInfo, code int, err error) {
		g.asks = false
		switch {
		case g.over():
		case code == codeConsumerNone:
			g.anew()
		case err != nil || code != 0:
			g.o.check()
			g.later()
		default:
			g.found(info, info.Delivered.Stream < was || !info.Created.Equal(g.made))
		}
	})
	g.asks = err == nil
}

// anew makes the consumer again. The topic may be gone as well, and there is another one of its name: whoever
// has this one open is told then.
func (g *group) anew() {
	config := groupConfig(g.consumer, g.q.rules.Redeliver)
	config.DeliverPolicy, config.OptStartSeq = nats.DeliverByStartSequencePolicy, g.top.Stream+1
	err := g.about("CREATE", creation(g.q.stream, config), func(info *nats.ConsumerInfo, code int, err error) {
		g.asks = false
		switch {
		case g.over():
		case err != nil || code != 0: // another machine may have made it
			g.o.check()
			g.later()
		default:
			g.q.l.log.Warn("a group was forgotten by the servers, and goes on", "topic", backends.Word(g.o.path),
				"group", backends.Word(g.name))
			g.found(info, true)
		}
	})
	g.asks = err == nil
	g.o.check()
}

// later asks again in a while.
func (g *group) later() { g.q.l.later(g.doubt) }

// found goes on with what the servers say. forgot: they may have forgotten what they gave to members, or who
// has it.
func (g *group) found(info *nats.ConsumerInfo, forgot bool) {
	g.made = info.Created
	if forgot {
		g.settled, g.top = false, info.Delivered
	}
	g.saw(info)
	if g.settled {
		g.q.wanted()
		return
	}
	g.floor = info.AckFloor.Stream
	if !g.settles {
		g.settles = true
		g.settle(time.Now().Add(g.q.l.c.Timeout))
	}
}

// settle asks all others what they have received after the message up to which the servers know of all, and
// goes on when there was time to answer: see claim. Until then no member here gets anything.
func (g *group) settle(limit time.Time) {
	l := g.q.l
	asked := encode(claim{From: l.inbox, Of: g.share.of, After: g.floor})
	l.out.send(parcel{Msg: nats.Msg{Subject: claimSubject, Reply: l.inbox + claimToken, Data: asked}})
	time.AfterFunc(claimWait, func() {
		l.mu.Lock()
		defer l.unlock()
		switch back := l.healing(); {
		case l.closed || g.over():
		case !l.up: // there is another one when there is a connection again
			g.settles = false
		case back && time.Now().Before(limit):
			g.settle(limit)
		default:
			g.settles, g.settled, g.share.settled = false, true, l.counts.connects
			g.q.wanted()
			g.q.stir()
		}
	})
}

// healing reports whether the connection was lost a moment ago, so that servers may have failed, and others
// may have none yet.
func (l *Link) healing() bool { return l.counts.connects > 1 && time.Since(l.since) < claimBack }

// settling reports whether a queue is that of a group of which it is not known yet what others have received.
func (q *queue) settling() bool { return q.g != nil && !q.g.settled }

// A share is what a machine knows of a group: for as long as servers may remember that, also without members.
// It counts for the user who came first. Link.mu guards it.
type share struct {
	uid   uint32
	uses  int       // members, and those who are about to be
	of    uint64    // what others call it: queue.key
	taken []receipt // the room of which is paid for

	settled int64 // the connection on which others were asked last

	left []*delivery // that were received, and are for the next member; each is paid for

	ends time.Time // without members: when servers have forgotten it
}

// knows reports whether others were asked on this connection, or need not be: it is the first, or so old that
// servers which failed then have given again what they forgot.
func (s *share) knows(l *Link) bool {
	return l.counts.connects <= 1 || s.settled == l.counts.connects || time.Since(l.since) > groupLimit+claimBack
}

// A receipt is a message that a member here has received.
type receipt struct {
	seq, key uint64
	at       time.Duration // since the link was opened
}

// Receipts are remembered for doubleWindow at most.
const (
	receiptSize   = 24      // bytes
	leastReceipts = 64      // for which there is room from the first on, and twice that when it is full,
	maxReceipts   = 1 << 14 // up to this
)

// sharing is called before somebody becomes a member, and leaves when they are no more. EDQUOT: the user has
// too many groups.
func (l *Link) sharing(at string, uid uint32) (*share, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.shares[at]
	if s == nil {
		if err := l.Groups.Take(uid, 1); err != nil {
			return nil, err
		}
		s = &share{uid: uid}
		l.shares[at] = s
	}
	s.uses++
	return s, nil
}

// leaves has the share go when the servers have forgotten the group. Link.mu is held.
func (l *Link) leaves(at string, s *share) {
	if s.uses--; s.uses > 0 {
		return
	}
	const limit = groupLimit + time.Second // that of the servers is up to a second more
	s.ends = time.Now().Add(limit)
	time.AfterFunc(limit, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.unshare(at, s, time.Now())
	})
}

// unshare has a share go, unless it has members, or had some since. Link.mu is held.
func (l *Link) unshare(at string, s *share, now time.Time) {
	if s.uses > 0 || l.shares[at] != s || now.Before(s.ends) {
		return
	}
	delete(l.shares, at)
	l.release(s.left...)
	if l.Heap != nil {
		l.Heap.Give(s.uid, int64(cap(s.taken))*receiptSize)
	}
	l.Groups.Give(s.uid, 1)
}

// NewGroups is how many groups users may have, of all links that are given it.
func NewGroups() *backends.Budget {
	return backends.NewBudget(backends.Terms{Name: "groups", Err: unix.EDQUOT},
		func(int64) backends.Bounds { return backends.EachMay(maxGroups) })
}

// took remembers that a message was received. Old ones go a quarter of all at a time, as each time moves the
// rest. So do newer ones if there may be no more, or the user of the share may hold no more.
func (s *share) took(l *Link, d *delivery) {
	now := time.Since(l.began)
	old := sort.Search(len(s.taken), func(i int) bool { return now-s.taken[i].at <= doubleWindow })
	if old > len(s.taken)/4 {
		s.taken = slices.Delete(s.taken, 0, old)
	}
	if len(s.taken) == cap(s.taken) && !s.grow(l.Heap) {
		s.taken = slices.Delete(s.taken, 0, len(s.taken)/4)
	}
	if len(s.taken) < cap(s.taken) {
		s.taken = append(s.taken, receipt{d.seq, d.key, now})
	}
}

// received are the messages of a group that were received here, after one of them.
func (l *Link) received(of, after uint64) (keys []uint64) {
	for _, s := range l.shares {
		if s.of != of {
			continue
		}
		for _, r := range s.taken {
			if r.seq > after {
				keys = append(keys, r.key)
			}
		}
	}
	return keys
}
