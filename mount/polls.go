package mount

import (
	"fmt"

	"github.com/ipcfs/ipcfs/backends"
)

// polls are the files of a gate that the kernel wants to hear of. A user may have many thousands, and others
// wait for whoever tells of a message. So the first few are told at once, the rest by the session's teller,
// and what is news to none is found without a look at each (TestCrowdPolls). The gate's lock guards them.
type polls struct {
	all   []*polled // in no order
	marks marks
	any   bool           // files may have become ready by themselves: each is to be looked at
	ended bool           // one knows of something there that is always told, and lacks nothing: see lacks
	wants backends.Ready // what they asked for, all together, or more
	lacks backends.Ready // what would be news to one of them, or more

	// The round that is under way:
	left         int            // how many, the first of all, have still to be looked at; 0: there is none
	again        bool           // another one is to follow
	inLine       bool           // the teller has the gate in its line
	wanted, lack backends.Ready // wants and lacks of those that were looked at
}

// marks count what makes all that the kernel knew before it old: that a message came, which is news even to
// one that has not taken the one before (an edge), and that the endpoint was not ready.
type marks struct{ came, empty, full uint32 }

// always is what is told of whether asked for or not (poll(2)).
const always = backends.Err | backends.Hup

// put adds a file, or keeps it, with what the kernel was told just now, and what of that the file has by itself.
func (ps *polls) put(f *polled, held backends.Ready) {
	if f.at == 0 {
		ps.all = append(ps.all, f)
		f.at = len(ps.all)
	}
	f.marks = ps.marks
	ps.count(f, f.seen)
	ps.wants |= f.want
	ps.lacks |= f.lacks(f.seen)
	ps.ended = ps.ended || f.seen&^held&always != 0
}

// lacks is what would be news to a file that knows of seen: nothing if its object is gone, has failed or hung up.
// A descriptor tells of that at once to whoever waits for anything, again and again. A socket may get over its
// error: see saw.
func (f *polled) lacks(seen backends.Ready) backends.Ready {
	if seen&always != 0 {
		return 0
	}
	return (f.want | always) &^ seen
}

// count notes what a file wants and lacks, for when the round is over.
func (ps *polls) count(f *polled, seen backends.Ready) {
	ps.wanted |= f.want
	ps.lack |= f.lacks(seen)
}

// remove takes a file out, if it is in; nil: it was never polled. Another one gets its place, which may be
// looked at once more.
func (ps *polls) remove(f *polled) {
	if f == nil || f.at == 0 {
		return
	}
	last := len(ps.all) - 1
	ps.all[f.at-1] = ps.all[last]
	ps.all[f.at-1].at = f.at
	ps.all[last] = nil
	ps.all = ps.all[:last]
	ps.left = min(ps.left, last)
	f.at = 0
	if last > 0 {
		return
	}
	ps.wants, ps.lacks, ps.wanted, ps.lack, ps.again = 0, 0, 0, 0, false
	if cap(ps.all) > toldAtOnce {
		ps.all = nil
	}
}

// came notes that a message came.
func (ps *polls) came() {
	ps.marks.came++
	ps.unknown(backends.In)
}

// saw notes what the endpoint is ready for: what it is not will be news when it is. Where it got over an error,
// those who know of that wait for more.
func (ps *polls) saw(there backends.Ready) {
	if ps.ended && there&always == 0 {
		ps.ended, ps.any = false, true
	}
	if there&backends.In == 0 {
		ps.marks.empty++
		ps.unknown(backends.In)
	}
	if there&backends.Out == 0 {
		ps.marks.full++
		ps.unknown(backends.Out)
	}
}

func (ps *polls) unknown(r backends.Ready) {
	ps.lacks |= ps.wants & r
	ps.lack |= ps.wanted & r
}

// known is what is not news to a file that has held by itself.
func (ps *polls) known(f *polled, held backends.Ready) backends.Ready {
	seen := f.seen
	if f.marks.empty != ps.marks.empty {
		seen &^= backends.In &^ held
	}
	if f.marks.full != ps.marks.full {
		seen &^= backends.Out &^ held
	}
	if f.marks.came != ps.marks.came {
		seen &^= backends.In
	}
	return seen
}

// begin begins a round, or has one follow the one that is under way. It reports whether it began.
func (ps *polls) begin() bool {
	if ps.left > 0 {
		ps.again = true
		return false
	}
	ps.left, ps.again, ps.wanted, ps.lack = len(ps.all), false, 0, 0
	return true
}

// some goes on with the round for as many files as told has room for, and returns the poll handles of those
// that are to be told, which are taken out. The caller holds g.mu.
func (g *gate) some(told []uint64, there backends.Ready) []uint64 {
	ps := g.polls
	for n := cap(told); n > 0 && ps.left > 0; n-- {
		ps.left--
		f := ps.all[ps.left]
		ready := g.s.readyAs(f.file, there)
		seen := ps.known(f, ready&^there) & ready
		if (ready&^seen)&(f.want|always) == 0 {
			f.seen, f.marks = seen, ps.marks
			ps.count(f, seen)
			continue
		}
		f.asleep = 0
		ps.remove(f)
		told = append(told, f.kh)
	}
	if ps.left == 0 {
		if ps.wants, ps.lacks = ps.wanted, ps.lack; ps.again {
			ps.begin()
		}
	}
	return told
}

// readyAs is what a file is ready for where the endpoint is ready for there. One that panics is: its program
// asks, and is told of the failure. The others of a round are not to wait for ever for that
// (TestCrowdToldInSpite).
func (s *Session) readyAs(o *openFile, there backends.Ready) (ready backends.Ready) {
	defer func() {
		if r := recover(); r != nil {
			s.panicked(fmt.Sprint("telling pollers: ", r))
			ready = backends.Err
		}
	}()
	return o.file.ReadyAs(there)
}

// toldAtOnce is how many files are told by whoever made them ready.
const toldAtOnce = 32

// tellPollers wakes those whose file has become ready for something they do not know of. What was ready and
// is not any more will be news when it is again. The caller holds g.mu.
func (g *gate) tellPollers() {
	ps := g.polls
	if ps == nil || len(ps.all) == 0 {
		return
	}
	there := g.w.Ready() // once for all
	ps.saw(there)
	any := ps.any
	ps.any = false
	if !any && there&ps.lacks == 0 || !ps.begin() {
		return
	}
	defer g.tellRest() // also after a panic
	var room [toldAtOnce]uint64
	g.s.wakePollers(g.some(room[:0], there))
}

// tellRest has the teller go on with the round, if it is not over. The caller holds g.mu.
func (g *gate) tellRest() {
	if ps := g.polls; ps.left > 0 && !ps.inLine {
		ps.inLine = true
		g.s.teller.add(g)
	}
}

// tellOwn wakes those who poll a file that a read or write of it has made ready by itself: the rest of a
// message, the end behind the one message of next. The caller holds g.mu.
func (g *gate) tellOwn(f *polled) {
	if f == nil || f.at == 0 {
		return
	}
	held := f.file.file.ReadyAs(0)
	if held&^g.polls.known(f, held)&(f.want|always) != 0 {
		f.asleep = 0
		g.polls.remove(f)
		g.s.wakePoller(f.kh)
	}
}

// tellSharers wakes those who poll by the open file that somebody polls now, which is ready, if they are
// still to be told of it: the kernel has one poll handle for all of them. The caller holds g.mu.
func (g *gate) tellSharers(f *polled, ready backends.Ready) {
	if (ready&^g.polls.known(f, f.file.file.ReadyAs(0)))&(f.want|always) != 0 {
		g.s.wakePoller(f.kh)
	}
}
