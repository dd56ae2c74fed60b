package monitoring

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// makePage is the page as it is now.
func (s *Server) makePage() ([]byte, error) {
	facts, err := s.monitor.Daemon()
	if err != nil {
		return nil, err
	}
	p := &page{}
	p.raw(`<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">` +
		`<meta name="viewport" content="width=device-width,initial-scale=1"><title>`)
	p.text("ipcfs ", s.o.Mountpoint)
	p.raw(`</title><link rel="stylesheet" href="page.css"><script src="page.js" defer></script>` +
		`<noscript><meta http-equiv="refresh" content="5"></noscript></head><body>` +
		`<p id="stale" role="status" hidden>The daemon does not answer: this is how it was.</p><main>`)
	s.header(p, facts)
	s.limits(p)
	h := s.history
	h.mu.Lock()
	h.showClasses(p)
	s.showObjects(p)
	s.showWaits(p)
	h.mu.Unlock()
	s.failures(p)
	p.raw("</main></body></html>\n")
	return []byte(p.String()), nil
}

// header says which tree it is, and how it is.
func (s *Server) header(p *page, facts []nodes.Fact) {
	p.element("h1", "ipcfs ", s.o.Mountpoint)
	said := map[string]any{}
	for _, f := range facts {
		said[f.Key] = f.Value
	}
	started, _ := time.Parse(time.RFC3339, fmt.Sprint(said["started"]))
	p.element("p", "version ", s.o.Version, ", live for ", lasting(time.Since(started)), ", pid ", said["pid"],
		", shared memory: ", said["shm"], ", network: ", said["net"])
	p.element("p", amount(float32(number(said["requests"]))), " requests, ", said["parked"], " wait, ", said["open"],
		" files open, ", amount(float32(number(said["rss"]))/(1<<20)), " MiB, as of ", time.Now().Format("15:04:05"))
	for _, there := range s.monitor.Places() {
		said := map[string]any{}
		for _, f := range there.Facts() {
			said[f.Key] = f.Value
		}
		since, _ := time.Parse(time.RFC3339, fmt.Sprint(said["since"]))
		state := []any{there.Name, ": the link is ", said["link"], " for ", lasting(time.Since(since))}
		if why := said["reason"]; why != nil {
			p.element(`p class="warn"`, append(state, ": ", why)...)
		} else {
			p.element("p", append(state, ", ", said["server"])...)
		}
	}
	if s.page.Names == "" {
		p.element("p", "Objects are not told of by name: --metrics-names on, or --metrics-listen unix:PATH.")
	}
}

func number(v any) int64 {
	switch v := v.(type) {
	case int:
		return int64(v)
	case int64:
		return v
	case nodes.Count:
		return int64(v)
	}
	return 0
}

// nearly is the share of a limit from which on people are warned.
const nearly = 0.8

// limits warns of those that are nearly used up.
func (s *Server) limits(p *page) {
	for _, l := range s.monitor.Limits() {
		if l.Limit > 0 && l.Used >= 0 && float64(l.Used) >= nearly*float64(l.Limit) {
			p.element(`p class="warn"`, l.Name, " ", l.Used*100/l.Limit, "% used (", l.Used, " of ", l.Limit,
				"): ipcfs help ", l.Name)
		}
	}
}

const (
	pastHead = "messages waiting"
	rateHead = "messages a second"
	flowHead = "bytes/s"
)

// showClasses shows what there is, class by class. The caller holds h.mu.
func (h *history) showClasses(p *page) {
	p.element("h2", "What there is")
	p.element("p", "Readers and writers have it open. The plots are of the last ten minutes; of the messages a second, "+
		"what comes in is a line, and what goes out is dashed.")
	p.head("class", "objects", "messages", "bytes", flowHead, "readers", "writers", "calls wait", pastHead, rateHead)
	for _, name := range slices.Sorted(maps.Keys(h.classes)) {
		c := h.classes[name]
		p.raw("<tr>")
		p.element(`th scope="row" class="wide"`, name)
		p.number("objects", c.objects)
		p.number("messages", known(c.depth))
		p.number("bytes", amount(float32(c.bytes)))
		p.number(flowHead, c.flowing())
		p.number("readers", c.readers)
		p.number("writers", c.writers)
		p.number("calls wait", c.waiting)
		c.track.show(p, c.row)
		p.raw("</tr>")
	}
	p.foot()
}

// show shows the past of an object in two cells.
func (t *track) show(p *page, r row) {
	if t == nil {
		t = &track{}
	}
	if r.depth < 0 {
		p.raw("<td></td>")
	} else {
		depth := t.past(&t.depth)
		p.plot(pastHead, plot("Messages that wait", "", depth), "≤ ", amount(slices.Max(depth)), ", now ", r.depth)
	}
	if r.counts == (counts{}) && t.in == none && t.out == none {
		p.raw("<td></td>")
		return
	}
	in, out := t.past(&t.in), t.past(&t.out)
	p.plot(rateHead, plot("Messages a second", "/s", in, out), "≤ ", amount(max(slices.Max(in), slices.Max(out))),
		", now ", amount(float32(r.in)), " in, ", amount(float32(r.out)), " out")
}

// flowing is how many bytes a second come and go.
func (r row) flowing() string {
	if !r.flows {
		return known(-1)
	}
	return amount(float32(r.flow))
}

func known(n int64) string {
	if n < 0 {
		return "–"
	}
	return fmt.Sprint(n)
}

// showObjects shows the busiest objects. The caller holds the history's lock.
func (s *Server) showObjects(p *page) {
	h := s.history
	shown := slices.DeleteFunc(slices.Clone(h.rows), func(r row) bool { return !s.page.Names.Has(r.class, r.name) })
	if len(shown) == 0 {
		return
	}
	p.element("h2", "Objects, the busiest first")
	if len(shown) < h.total {
		p.element("p", len(shown), " of ", h.total)
	}
	p.head("object", "messages", "bytes", flowHead, "readers", "writers", "calls wait", "lost", pastHead, rateHead)
	for _, r := range shown {
		p.raw(`<tr><th scope="row" class="name wide">`)
		p.name(r.path())
		p.raw("</th>")
		depth := known(r.depth)
		if r.room > 0 {
			depth += fmt.Sprint(" of ", r.room)
			if r.depth >= r.room {
				depth += " FULL"
			}
		}
		p.number("messages", depth)
		p.number("bytes", amount(float32(r.bytes)))
		p.number(flowHead, r.flowing())
		p.number("readers", r.readers)
		p.number("writers", r.writers)
		p.number("calls wait", r.waiting)
		p.number("lost", r.lost)
		h.tracks[r.path()].show(p, r)
		p.raw("</tr>")
	}
	p.foot()
}

// showWaits shows who waits for what, and since when. The caller holds the history's lock.
func (s *Server) showWaits(p *page) {
	h := s.history
	p.element("h2", "Who waits")
	shown := slices.DeleteFunc(slices.Clone(h.waits), func(w wait) bool { return !s.page.Names.Has(w.class, w.name) })
	if len(shown) < h.waiting {
		p.element("p", h.waiting, " calls wait; ", len(shown), " of their processes are shown.")
	} else if h.waiting == 0 {
		p.element("p", "Nobody.")
	}
	if len(shown) == 0 {
		return
	}
	p.head("process", "user", "for", "in", "since", "for so long")
	for _, w := range shown {
		p.raw(`<tr><th scope="row" class="name wide">`)
		p.text(w.Pid, " ")
		p.name(w.Command)
		p.raw("</th>")
		p.number("user", w.Uid)
		p.raw(`<td class="name wide">`)
		p.name(w.class + "/" + w.name)
		p.raw("</td>")
		p.element("td", w.In, " as a ", w.Side)
		p.number("since", w.Since.Format("15:04:05"))
		p.number("for", lasting(h.at.Sub(w.Since)))
		p.raw("</tr>")
	}
	p.foot()
}

// failures shows what failed, and why.
func (s *Server) failures(p *page) {
	p.element("h2", "Errors")
	counts := s.monitor.Failures.Counts()
	lines := s.monitor.LastFailures(s.page, 20)
	if len(counts) == 0 && len(lines) == 0 {
		p.element("p", "None that has a reason to tell.")
		return
	}
	p.raw("<ul>")
	for _, line := range lines {
		p.element("li", line)
	}
	p.raw("</ul>")
	p.raw("<p>")
	refused := slices.SortedFunc(maps.Keys(counts), func(a, b nodes.Refused) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.Class, b.Class), cmp.Compare(a.Errno, b.Errno))
	})
	for i, r := range refused {
		if i > 0 {
			p.text(", ")
		}
		p.text(counts[r], " × ", cmp.Or(backends.ErrnoName(r.Errno), "other"), " in ", cmp.Or(r.Class, "the tree"))
	}
	p.raw("</p>")
}

// lasting is a time in few letters.
func lasting(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	switch {
	case s < 100:
		return fmt.Sprintf("%d s", s)
	case s < 100*60:
		return fmt.Sprintf("%d min", s/60)
	case s < 48*3600:
		return fmt.Sprintf("%d h", s/3600)
	}
	return fmt.Sprintf("%d days", s/86400)
}
