package nats

import (
	"strconv"
	"strings"

	nats "github.com/nats-io/nats.go"
)

// A message that was pulled arrives under its own subject, and does not say which pull it answers. So pulls
// that must have an answer of their own, takes, are answered at subjects that the link listens to one by one:
// slots. A slot serves one take after the other, so there are no more than takes at a time; maxSlots at most,
// and further takes wait for one. Link.mu guards them.
type slots struct {
	last int   // that was made
	made int   // that there are
	free []int // of those
	busy map[int]*take
	line []*take // that wait for a slot
}

const maxSlots = 256

func slotSubject(inbox string, slot int) string { return inbox + "t." + strconv.Itoa(slot) }

// slotOf is the slot of a subscription.
func (l *Link) slotOf(subject string) (int, bool) {
	n, ok := strings.CutPrefix(subject, l.inbox+"t.")
	if !ok {
		return 0, false
	}
	slot, err := strconv.Atoi(n)
	return slot, err == nil
}

// takeSlot gives a take a slot, or has it wait for one, and begins its pull then.
func (l *Link) takeSlot(t *take) {
	s := &l.slots
	switch n := len(s.free); {
	case n > 0:
		t.slot = s.free[n-1]
		s.free = s.free[:n-1]
	case s.made < maxSlots:
		s.made++
		s.last++
		t.slot = s.last
		l.out.send(parcel{Msg: nats.Msg{Subject: slotSubject(l.inbox, t.slot)}, listen: true})
	default:
		s.line = append(s.line, t)
		return
	}
	if s.busy == nil {
		s.busy = map[int]*take{}
	}
	s.busy[t.slot] = t
	t.pull()
}

// giveSlot ends the use of a slot. One where something may still arrive is not used again.
func (l *Link) giveSlot(t *take, clean bool) {
	s := &l.slots
	if t.slot == 0 {
		return
	}
	delete(s.busy, t.slot)
	if clean {
		s.free = append(s.free, t.slot)
	} else {
		s.made--
		l.out.send(parcel{Msg: nats.Msg{Subject: slotSubject(l.inbox, t.slot)}, leave: true})
	}
	t.slot = 0
	if len(s.line) > 0 {
		next := s.line[0]
		s.line = s.line[1:]
		l.takeSlot(next)
	}
}

// resetSlots ends all takes when there is no connection any more: the servers have dropped their pulls.
func (l *Link) resetSlots() {
	line := l.slots.line
	l.slots.line = nil
	for _, t := range l.slots.busy {
		t.failed(errDown)
	}
	for _, t := range line {
		t.failed(errDown)
	}
}
