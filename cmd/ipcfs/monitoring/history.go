package monitoring

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ipcfs/ipcfs/nodes"
)

// How often the tree is looked at, and how much of that is kept.
const (
	period    = 5 * time.Second
	points    = 121 // ten minutes of periods, both ends included
	maxTracks = 100 // objects that have a past
	maxRows   = 200 // objects that are shown
	maxWaits  = 100 // processes that are shown
)

// history is what was seen of a tree in the last minutes. Its memory is bounded by the constants above, but
// for a few numbers of each object that is looked at (nodes.Monitor.Objects).
type history struct {
	mu      sync.Mutex
	began   time.Time
	at      time.Time // of the last look
	counts  map[string]counts
	moved   map[string]counts // by class
	classes map[string]*class
	tracks  map[string]*track // by path
	rows    []row             // the busiest first
	waits   []wait            // the longest first
	total   int               // objects there are
	waiting int               // calls that wait
}

// counts are messages that an object took in and gave out, and the bytes of both together; they only grow.
type counts struct{ in, out, bytes int64 }

// row is an object as it was when it was looked at last.
type row struct {
	class, name        string
	depth, room, bytes int64 // messages that wait, of how many that fit; -1: the class has no such number
	readers, writers   int64 // that have it open
	waiting            int64 // calls
	lost               int64
	in, out            float64 // messages a second
	flow               float64 // bytes a second, of both
	flows              bool    // they are counted
	counts             counts
}

func (r row) path() string { return r.class + "/" + r.name }

// wait is a process that waits, and for what.
type wait struct {
	nodes.WaitRow
	class, name string
}

// class is the sum of the objects of a class, with its past.
type class struct {
	row
	objects int
	track   track
}

// track is the past of an object: a ring of points, the next of which is at next.
type track struct {
	depth, in, out [points]float32
	next           int
	seen           bool // by the look that is under way
}

func (t *track) add(r row) {
	t.depth[t.next], t.in[t.next], t.out[t.next] = float32(max(0, r.depth)), float32(r.in), float32(r.out)
	t.next = (t.next + 1) % points
}

// past are the points of a ring in their order.
func (t *track) past(ring *[points]float32) []float32 {
	return append(slices.Clone(ring[t.next:]), ring[:t.next]...)
}

// quiet reports whether nothing was there in all that is kept.
func (t *track) quiet() bool {
	return t.depth == none && t.in == none && t.out == none
}

// none is a ring in which nothing ever was.
var none [points]float32

func newHistory(now time.Time) *history {
	return &history{
		began: now, counts: map[string]counts{}, moved: map[string]counts{}, classes: map[string]*class{},
		tracks: map[string]*track{},
	}
}

// look is what one look at a tree has found.
type look struct {
	rows  []row
	waits []wait
}

// add takes an object in.
func (l *look) add(one nodes.Surveyed) {
	r := row{class: one.Class, name: one.Name, depth: -1, room: -1, bytes: one.Seen.Was.Size}
	for _, f := range one.Facts {
		switch n := number(f.Value); f.Key {
		case "messages", "qnum":
			r.depth = n
		case "maxmsg":
			r.room = n
		case "bytes", "cbytes":
			r.bytes = n
		case "readers", "connections", "nattch":
			r.readers = n
		case "writers":
			r.writers = n
		case "waiting_readers", "waiting_writers":
			r.waiting += n
		case "lost":
			r.lost = n
		case "sent", "published", "accepted":
			r.counts.in = n
		case "received":
			r.counts.out = n
		case "sent_bytes", "published_bytes", "received_bytes":
			r.counts.bytes += n
			r.flows = true
		case "wait":
			rows, _ := f.Value.(nodes.Rows)
			for _, w := range nodes.WaitsOf(rows) {
				l.waits = append(l.waits, wait{w, one.Class, one.Name})
			}
		}
	}
	l.rows = append(l.rows, r)
}

// take takes a look in.
func (h *history) take(now time.Time, l look) {
	h.mu.Lock()
	defer h.mu.Unlock()
	seconds := now.Sub(h.at).Seconds()
	first := h.at.IsZero()
	h.at, h.total, h.waiting = now, len(l.rows), 0
	before := h.counts
	h.counts = make(map[string]counts, len(l.rows))
	for _, c := range h.classes {
		c.row, c.objects = row{class: c.class, depth: -1, room: -1}, 0
	}
	for i := range l.rows {
		r := &l.rows[i]
		h.rate(r, before[r.path()], first, seconds)
		h.sum(r)
		h.waiting += int(r.waiting)
	}
	for _, c := range h.classes {
		c.track.add(c.row)
	}
	slices.SortStableFunc(l.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(b.busy(), a.busy()), cmp.Compare(a.path(), b.path()))
	})
	h.follow(l.rows)
	slices.SortFunc(l.waits, func(a, b wait) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Pid, b.Pid)) })
	h.rows = slices.Clone(l.rows[:min(len(l.rows), maxRows)])
	h.waits = slices.Clone(l.waits[:min(len(l.waits), maxWaits)])
}

// rate finds out how much an object moved since the look before.
func (h *history) rate(r *row, was counts, first bool, seconds float64) {
	h.counts[r.path()] = r.counts
	if r.counts.in < was.in || r.counts.out < was.out || r.counts.bytes < was.bytes {
		was = counts{} // another object of the same name
	}
	in, out, bytes := r.counts.in-was.in, r.counts.out-was.out, r.counts.bytes-was.bytes
	m := h.moved[r.class]
	h.moved[r.class] = counts{m.in + in, m.out + out, m.bytes + bytes}
	if !first && seconds > 0 {
		r.in, r.out, r.flow = float64(in)/seconds, float64(out)/seconds, float64(bytes)/seconds
	}
}

// sum adds an object to its class.
func (h *history) sum(r *row) {
	c := h.classes[r.class]
	if c == nil {
		c = &class{row: row{class: r.class, depth: -1, room: -1}}
		h.classes[r.class] = c
	}
	c.objects++
	if r.depth >= 0 {
		c.depth = max(0, c.depth) + r.depth
	}
	c.bytes += r.bytes
	c.readers += r.readers
	c.writers += r.writers
	c.waiting += r.waiting
	c.lost += r.lost
	c.in += r.in
	c.out += r.out
	c.flow += r.flow
	c.flows = c.flows || r.flows
}

// busy says which objects are shown first.
func (r row) busy() float64 {
	return (r.in+r.out)*1000 + float64(r.waiting)*10 + float64(max(0, r.depth))
}

// follow goes on with the past of objects, the busiest first, and forgets that of those which are gone or
// where nothing is any more.
func (h *history) follow(rows []row) {
	for _, r := range rows {
		t := h.tracks[r.path()]
		if t == nil && len(h.tracks) < maxTracks && r.busy() > 0 {
			t = &track{}
			h.tracks[r.path()] = t
		}
		if t != nil {
			t.seen = true
			t.add(r)
		}
	}
	maps.DeleteFunc(h.tracks, func(_ string, t *track) bool {
		gone := !t.seen || t.quiet()
		t.seen = false
		return gone
	})
}
