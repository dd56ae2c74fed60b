package nats

import (
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"slices"
	"time"

	nats "github.com/nats-io/nats.go"
)

// A server that fails may forget whom it has given a message, and the next one gives it to somebody else.
// Both may acknowledge it then, and both are answered: an acknowledgement proves nothing. So:
//
//   - A daemon remembers for a while what it has received. What comes again it gives to nobody.
//   - A daemon whose acknowledgement was not answered at once, or by another server than the one that gave
//     the message, or which got a message that was sent more than once, claims it: it asks all others whether
//     they have it. One that has received it objects, and of two that claim it the one whose inbox is the
//     smaller. One that is not that far gives it up.
//
// A message is known by its id, which it keeps when it is sent again, or by its number and time if it has
// none.

const (
	claimSubject = "ipcfs.claim"
	claimWait    = 500 * time.Millisecond // for those who object
	claimBack    = 5 * dialPause          // after which all have their connection again
	claimAfter   = 2 * time.Second        // for an acknowledgement that is answered later

	// headerAgain is in a message that was sent before, and had no answer.
	headerAgain = "Ipcfs-Again"
)

// A fate is what became of a message.
type fate uint8

const (
	unknown fate = iota
	held         // somebody here has it, and it is not acknowledged, or on lease
	claimed      // it is, and the others are asked
	taken        // it was received here
	yielded      // it was received elsewhere
)

// fates are those of the latest messages: of two minutes at most, in which servers know ids, and of not more
// than maxFates twice. Link.mu guards them.
type fates struct {
	young, old map[uint64]fate
	since      time.Time // when the young began
}

const maxFates = 1 << 17

// age has those who are too old forgotten.
func (f *fates) age() {
	age := time.Since(f.since)
	if age <= doubleWindow/2 && len(f.young) <= maxFates {
		return
	}
	f.old, f.young, f.since = f.young, map[uint64]fate{}, time.Now()
	if age > doubleWindow {
		f.old = nil
	}
}

func (f *fates) of(key uint64) fate {
	f.age()
	if fate, ok := f.young[key]; ok {
		return fate
	}
	return f.old[key]
}

func (f *fates) set(key uint64, to fate) {
	f.age()
	f.young[key] = to
}

// key is what a message of a queue is known by: fates are by it, in all daemons.
func (q *queue) key(id string) uint64 {
	h := fnv.New64a()
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], q.id.Ino)
	binary.BigEndian.PutUint64(b[8:], q.id.Born)
	h.Write(b[:])
	if q.g != nil { // each group gets it
		h.Write([]byte(q.g.consumer + " "))
	}
	h.Write([]byte(id))
	return h.Sum64()
}

// known reports whether a message that has come is one that somebody has already, and says so to the server.
// What is held here is not told of: that has an acknowledgement of its own.
func (l *Link) known(d *delivery) bool {
	if d.sure {
		return false
	}
	switch l.fates.of(d.key) {
	case unknown:
		return false
	case taken, yielded:
		l.tell(d.ack, ackDone)
	}
	return true
}

// A claim asks others about messages that were acknowledged.
type claim struct {
	From string   `json:"from"`
	Keys []uint64 `json:"keys"`

	// Of is a group, of which all is asked for that others have received after a message: group.settle.
	Of    uint64 `json:"of,omitempty"`
	After uint64 `json:"after,omitempty"`
}

// doubtful reports whether others may have got what was acknowledged: the answer came late, or on another
// connection, or after another server began to lead (which it tells before it answers anybody), or it was
// sent more than once.
func (t *take) doubtful(again bool) bool {
	return again || slices.ContainsFunc(t.list, func(d *delivery) bool {
		return !d.sure && (d.again || time.Since(d.at) > claimAfter || d.at.Before(t.e.q.l.since) ||
			d.at.Before(t.e.q.led))
	})
}

// claim asks others about all that was acknowledged, and goes on when there was time to object. Where a
// server has failed, ours or another, others may be without a connection for a moment, or connected to a
// server that the rest do not reach yet, and are asked again.
func (t *take) claim() {
	l := t.e.q.l
	c := claim{From: l.inbox}
	for _, d := range t.list {
		if l.fates.of(d.key) == held {
			l.fates.set(d.key, claimed)
			c.Keys = append(c.Keys, d.key)
		}
	}
	asked, limit := encode(c), time.Now().Add(l.c.Timeout)
	var ask func()
	ask = func() {
		l.out.send(parcel{Msg: nats.Msg{Subject: claimSubject, Reply: l.inbox + claimToken, Data: asked}})
		time.AfterFunc(claimWait, func() {
			l.mu.Lock()
			defer l.unlock()
			switch back := !l.up || time.Since(l.since) < claimBack || time.Since(t.e.q.led) < claimBack; {
			case t.over || l.closed:
			case back && time.Now().Before(limit):
				ask()
			default:
				t.received()
			}
		})
	}
	ask()
}

// claimToken is the last token of where objections come. It is no number.
const claimToken = ".c-"

// claims takes what others claim, and the objections to what is claimed here.
func (l *Link) claims(m *nats.Msg) bool {
	objects := m.Subject == l.inbox+claimToken
	var c claim
	if !objects && m.Subject != claimSubject {
		return false
	}
	if err := json.Unmarshal(m.Data, &c); err != nil || c.From == l.inbox {
		return true
	}
	mine := claim{From: l.inbox}
	if !objects && c.Of != 0 {
		mine.Keys = l.received(c.Of, c.After)
	}
	for _, key := range c.Keys {
		has := l.fates.of(key)
		if !objects && (has == taken || has == claimed && l.inbox < c.From) {
			mine.Keys = append(mine.Keys, key)
		} else if has != taken {
			l.fates.set(key, yielded)
		}
	}
	if len(mine.Keys) > 0 {
		l.out.send(parcel{Msg: nats.Msg{Subject: m.Reply, Data: encode(mine)}})
	}
	return true
}
