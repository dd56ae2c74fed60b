package topic

import "github.com/ipcfs/ipcfs/backends"

// message is one that was published. Its bytes are stored once, whoever still has to read them, and never
// change.
type message struct {
	topic  *Topic
	seq    uint64 // its number in its topic, from 1
	data   []byte
	logged bool // it is in its topic's backlog
	pins   int  // readers who keep it beside the backlog (DropNew)
	void   bool // nobody gets it, and it counts as lost for nobody (Relay)

	saved backends.Record // in the ledger
}

// cost is what a message takes of the memory it is reckoned against, with what it takes to know of it.
func cost(data []byte) int { return len(data) + messageOverhead }

// messageOverhead is a message, a slot in a backlog that has twice the room it needs, and what the
// allocator rounds up, in bytes.
const messageOverhead = 160

// slotCost is what it takes to keep a message for one reader beside the backlog, in a slice that may have
// twice the room it needs.
const slotCost = 48

// slot is the place of a message in a backlog.
type slot struct {
	m    *message
	n    uint64 // its number among those the feed was offered, from 1
	need int    // how many readers who follow the backlog still have to read it
}

// backlog is the messages a feed holds, the oldest first, each at a position that stays the same until it
// is dropped.
type backlog struct {
	slots []slot
	head  int    // index of the oldest in slots
	first uint64 // its position
}

func (b *backlog) len() int            { return len(b.slots) - b.head }
func (b *backlog) end() uint64         { return b.first + uint64(b.len()) }
func (b *backlog) at(pos uint64) *slot { return &b.slots[b.head+int(pos-b.first)] }
func (b *backlog) push(s slot)         { b.slots = append(b.slots, s) }

// pop drops the oldest.
func (b *backlog) pop() slot {
	s := b.slots[b.head]
	b.slots[b.head] = slot{}
	b.head++
	b.first++
	switch {
	case b.len() == 0 && cap(b.slots) > 64:
		b.slots, b.head = nil, 0 // a burst is over
	case b.head*2 > len(b.slots):
		n := copy(b.slots, b.slots[b.head:])
		clear(b.slots[n:])
		b.slots, b.head = b.slots[:n], 0
	}
	return s
}

// after is the position behind the last slot whose number is at most n.
func (b *backlog) after(n uint64) uint64 {
	low, high := b.first, b.end()
	for low < high {
		if mid := low + (high-low)/2; b.at(mid).n <= n {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}
