package mount

import (
	"fmt"

	"github.com/ipcfs/ipcfs/backends"
)

// watches are the files of a gate that the kernel wants to hear of. A user may have many thousands, and others
// wait for whoever tells of a message. So the first few are told at once, the rest by the session's teller, and
// what is news to none is found without a look at each (TestCrowdPolls). The gate's lock guards them.
type watches struct {
	all   []*watch // in no order
	marks marks
	any   bool           // files may have become ready by themselves: each is to be looked at
	wants backends.Ready // what they asked for, all together, or more
	lacks backends.Ready // what would be news to one of them, or more

	// The round that is under way:
	left         int            // how many, the first of all, have still to be looked at; 0: there is none
	again        bool           // another one is to follow
	inLine       bool           // the teller has the gate in its line
	wanted, lack backends.Ready // wants and lacks of those that were looked at
}

// marks count what makes all that the kernel knew before it old: that a message came, which is news even to one
// that has not taken the one before (an edge), and that the endpoint was not ready.
type marks struct{ came, empty, full uint32 }

// always is what is told of whether asked for or not (poll(2)).
const always = backends.Err | backends.Hup

// put adds a file, or keeps it, with what the kernel was told just now.
func (ws *watches) put(w *watch) {
	if w.at == 0 {
		ws.all = append(ws.all, w)
		w.at = len(ws.all)
	}
	w.marks = ws.marks
	ws.count(w, w.seen)
	ws.wants |= w.want
	ws.lacks |= (w.want | always) &^ w.seen
}

// count notes what a file wants and lacks, for when the round is over.
func (ws *watches) count(w *watch, seen backends.Ready) {
	ws.wanted |= w.want
	ws.lack |= (w.want | always) &^ seen
}

// remove takes a file out, if it is in; nil: it was never polled. Another one gets its place, which may be looked
// at once more.
func (ws *watches) remove(w *watch) {
	if w == nil || w.at == 0 {
		return
	}
	last := len(ws.all) - 1
	ws.all[w.at-1] = ws.all[last]
	ws.all[w.at-1].at = w.at
	ws.all[last] = nil
	ws.all = ws.all[:last]
	ws.left = min(ws.left, last)
	w.at = 0
	if last > 0 {
		return
	}
	ws.wants, ws.lacks, ws.wanted, ws.lack, ws.again = 0, 0, 0, 0, false
	if cap(ws.all) > toldAtOnce {
		ws.all = nil
	}
}

// came notes that a message came.
func (ws *watches) came() {
	ws.marks.came++
	ws.unknown(backends.In)
}

// saw notes what the endpoint is ready for: what it is not will be news when it is.
func (ws *watches) saw(there backends.Ready) {
	if there&backends.In == 0 {
		ws.marks.empty++
		ws.unknown(backends.In)
	}
	if there&backends.Out == 0 {
		ws.marks.full++
		ws.unknown(backends.Out)
	}
}

func (ws *watches) unknown(r backends.Ready) {
	ws.lacks |= ws.wants & r
	ws.lack |= ws.wanted & r
}

// known is what is not news to a file that has held by itself.
func (ws *watches) known(w *watch, held backends.Ready) backends.Ready {
	seen := w.seen
	if w.marks.empty != ws.marks.empty {
		seen &^= backends.In &^ held
	}
	if w.marks.full != ws.marks.full {
		seen &^= backends.Out &^ held
	}
	if w.marks.came != ws.marks.came {
		seen &^= backends.In
	}
	return seen
}

// begin begins a round, or has one follow the one that is under way. It reports whether it began.
func (ws *watches) begin() bool {
	if ws.left > 0 {
		ws.again = true
		return false
	}
	ws.left, ws.again, ws.wanted, ws.lack = len(ws.all), false, 0, 0
	return true
}

// some goes on with the round for as many files as told has room for, and returns the poll handles of those
// that are to be told, which are taken out. The caller holds g.mu.
func (g *gate) some(told []uint64, there backends.Ready) []uint64 {
	ws := g.polls
	for n := cap(told); n > 0 && ws.left > 0; n-- {
		ws.left--
		w := ws.all[ws.left]
		ready := g.s.readyAs(w.file, there)
		seen := ws.known(w, ready&^there) & ready
		if (ready&^seen)&(w.want|always) == 0 {
			w.seen, w.marks = seen, ws.marks
			ws.count(w, seen)
			continue
		}
		w.asleep = 0
		ws.remove(w)
		told = append(told, w.kh)
	}
	if ws.left == 0 {
		if ws.wants, ws.lacks = ws.wanted, ws.lack; ws.again {
			ws.begin()
		}
	}
	return told
}

// readyAs is what a file is ready for where the endpoint is ready for there. One that panics is: its program asks, and
// is told of the failure. The others of a round are not to wait for ever for that (TestCrowdToldInSpite).
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
	ws := g.polls
	if ws == nil || len(ws.all) == 0 {
		return
	}
	there := g.w.Ready() // once for all
	ws.saw(there)
	any := ws.any
	ws.any = false
	if !any && there&ws.lacks == 0 || !ws.begin() {
		return
	}
	defer g.tellRest() // also after a panic
	var room [toldAtOnce]uint64
	g.s.wakePollers(g.some(room[:0], there))
}

// tellRest has the teller go on with the round, if it is not over. The caller holds g.mu.
func (g *gate) tellRest() {
	if ws := g.polls; ws.left > 0 && !ws.inLine {
		ws.inLine = true
		g.s.teller.add(g)
	}
}

// tellOwn wakes those who poll a file that a read or write of it has made ready by itself: the rest of a message,
// the end behind the one message of next. The caller holds g.mu.
func (g *gate) tellOwn(w *watch) {
	if w == nil || w.at == 0 {
		return
	}
	held := w.file.file.ReadyAs(0)
	if held&^g.polls.known(w, held)&(w.want|always) != 0 {
		w.asleep = 0
		g.polls.remove(w)
		g.s.wakePoller(w.kh)
	}
}

// tellSharers wakes those who poll by the open file that somebody polls now, which is ready, if they are still to be
// told of it: the kernel has one poll handle for all of them. The caller holds g.mu.
func (g *gate) tellSharers(w *watch, ready backends.Ready) {
	if (ready&^g.polls.known(w, w.file.file.ReadyAs(0)))&(w.want|always) != 0 {
		g.s.wakePoller(w.kh)
	}
}
