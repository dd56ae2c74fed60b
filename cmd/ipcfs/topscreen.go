package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ipcfs/ipcfs/backends"
)

// topScreen is what top shows, and what its keys have done to that.
type topScreen struct {
	at            place
	every         float64 // s
	width, height int
	last, now     sample

	paused   bool
	sort     int    // of topSorts
	class    string // only this one; "": all
	filter   string // only what has it in its path, as it is shown or as it is
	typing   bool   // keys go to filter
	selected int    // of rows
	detail   string // the object that is shown alone, by its path; "": the table
	traces   bool   // events come
	events   []string
}

// A topRow is an object with its rates.
type topRow struct {
	object
	in, out           float64 // messages a second
	inBytes, outBytes float64
}

// topSorts are what rows can be sorted by.
var topSorts = []struct {
	name string
	of   func(topRow) float64
}{
	{"IN/S", func(r topRow) float64 { return r.in }},
	{"OUT/S", func(r topRow) float64 { return r.out }},
	{"BYTES/S", func(r topRow) float64 { return r.inBytes + r.outBytes }},
	{"WAIT", func(r topRow) float64 { return float64(r.sum(waitKeys)) }},
	{"PARK", func(r topRow) float64 { return float64(r.waiting()) }},
	{"BYTES", func(r topRow) float64 { return float64(r.Size) }},
	{"NAME", nil},
}

// topAround is how many lines there are around the rows.
const topAround = 3

// take takes a new sample, unless the screen is paused.
func (s *topScreen) take(now sample) {
	if !s.paused {
		s.last, s.now = s.now, now
	}
}

// rows are the objects that are to be seen, in their order.
func (s *topScreen) rows() (list []topRow) {
	before := map[string]object{}
	for _, o := range s.last.objects {
		before[string(o.Path)] = o
	}
	seconds := s.now.at.Sub(s.last.at).Seconds()
	for _, o := range s.now.objects {
		path := string(o.Path)
		if s.class != "" && o.class != s.class ||
			!strings.Contains(path, s.filter) && !strings.Contains(backends.Word(path), s.filter) {
			continue
		}
		r := topRow{object: o}
		if was, ok := before[string(o.Path)]; ok && seconds > 0 {
			rate := func(keys ...string) float64 { return float64(max(o.sum(keys)-was.sum(keys), 0)) / seconds }
			r.in, r.out = rate(cameKeys...), rate("received")
			r.inBytes, r.outBytes = rate(cameBytesKeys...), rate("received_bytes")
		}
		list = append(list, r)
	}
	if of := topSorts[s.sort].of; of != nil {
		slices.SortStableFunc(list, func(a, b topRow) int { return cmp.Compare(of(b), of(a)) })
	}
	return list
}

// key does what a key is for, and reports whether it ends top.
func (s *topScreen) key(key string) (over bool) {
	if s.typing {
		s.typed(key)
		return key == "ctrl-c"
	}
	rows := s.rows()
	page := max(s.height-topAround, 1)
	switch key {
	case "q", "ctrl-c":
		return true
	case "s":
		s.sort = (s.sort + 1) % len(topSorts)
	case "c":
		s.nextClass()
	case "/":
		s.typing, s.filter, s.detail = true, "", ""
	case "p", " ":
		s.paused = !s.paused
	case "up", "k":
		s.selected--
	case "down", "j":
		s.selected++
	case "pageup":
		s.selected -= page
	case "pagedown":
		s.selected += page
	case "enter":
		if s.detail == "" && s.selected < len(rows) {
			s.detail, s.events = string(rows[s.selected].Path), nil
		}
	case "esc", "backspace":
		if s.detail == "" {
			s.filter, s.class = "", ""
		}
		s.detail = ""
	}
	s.selected = max(0, min(s.selected, len(rows)-1))
	return false
}

// typed takes a key while a user types the filter.
func (s *topScreen) typed(key string) {
	_, last := utf8.DecodeLastRuneInString(s.filter)
	switch {
	case key == "enter":
		s.typing = false
	case key == "esc":
		s.typing, s.filter = false, ""
	case key == "backspace":
		s.filter = s.filter[:len(s.filter)-last]
	case utf8.RuneCountInString(key) == 1:
		s.filter += key
	}
	s.selected = 0
}

// nextClass goes on to the next class that has objects, and after the last one to all.
func (s *topScreen) nextClass() {
	var classes []string
	for _, o := range s.now.objects {
		if !slices.Contains(classes, o.class) {
			classes = append(classes, o.class)
		}
	}
	i := slices.Index(classes, s.class) + 1
	s.class, s.selected = "", 0
	if i < len(classes) {
		s.class = classes[i]
	}
}

// event keeps a line of ctl/trace about the object that is shown alone.
func (s *topScreen) event(line string) {
	f := pairs(line)
	if f["path"] != backends.Word(s.detail) {
		return
	}
	at, _ := time.Parse(time.RFC3339Nano, f["at"])
	text := fmt.Sprintf("%s %s %s %s %s %s",
		at.Local().Format("15:04:05.000"), f["pid"], f["command"], f["op"], f["bytes"], f["result"])
	if f["face"] != "" {
		text += " " + f["face"]
	}
	s.events = append(s.events, text)
	s.events = s.events[max(0, len(s.events)-5):]
}

// lines are the screen: as many as it is high at most, none wider than it is.
func (s *topScreen) lines() []string {
	lines := []string{inverse + s.head()}
	if s.detail != "" {
		lines = append(lines, s.object()...)
	} else {
		lines = append(lines, s.table()...)
	}
	lines = lines[:min(len(lines), max(s.height-1, 1))]
	for i, line := range lines {
		bare, stands := strings.CutPrefix(line, inverse)
		lines[i] = cut(bare, s.width)
		if stands {
			lines[i] = inverse + lines[i]
		}
	}
	return append(lines, cut(s.foot(), s.width))
}

// head is about the daemon.
func (s *topScreen) head() string {
	d, was := s.now.daemon, s.last.daemon
	seconds := max(s.now.at.Sub(s.last.at).Seconds(), 0.001)
	rate := float64(max(d.num("requests")-was.num("requests"), 0)) / seconds
	cpu := float64(max(d.num("cpu_ms")-was.num("cpu_ms"), 0)) / 10 / seconds
	text := fmt.Sprintf("  up %s  %.0f req/s  cpu %.1f%%  rss %s  parked %d  sort:%s  %gs",
		since(d.time("started"), s.now.at), rate, cpu,
		bytesOf(d.num("rss")), d.num("parked"), topSorts[s.sort].name, s.every)
	if s.width < 70 {
		text = fmt.Sprintf(" %.0f/s parked %d sort:%s", rate, d.num("parked"), topSorts[s.sort].name)
	}
	at := []rune("ipcfs " + backends.Line(s.at.Mountpoint))
	moved := fmt.Sprintf("  %s/s", bytesOf(int64(float64(max(s.now.moved-s.last.moved, 0))/seconds)))
	if len(at)+utf8.RuneCountInString(text+moved) <= s.width {
		text = strings.Replace(text, " req/s", " req/s"+moved, 1)
	}
	if room := max(s.width-utf8.RuneCountInString(text), 8); len(at) > room {
		at = append([]rune("<"), at[len(at)-room+1:]...) // the end of a long path tells more than its beginning
	}
	return string(at) + text
}

// foot is about the keys, or about what they have done.
func (s *topScreen) foot() string {
	switch {
	case s.typing:
		return "filter: " + s.filter + "_   Enter ends, Esc takes it away"
	case s.detail != "":
		return "Esc back  q quit  p " + s.pauses()
	}
	text := "q quit  s sort  c class  / filter  Enter object  p " + s.pauses()
	if s.class != "" {
		text = s.class + " only  " + text
	}
	if s.filter != "" {
		text = "/" + s.filter + "  " + text
	}
	return text
}

func (s *topScreen) pauses() string {
	if s.paused {
		return "goes on (PAUSED)"
	}
	return "pause"
}

// table are the rows with their heads: as many as there is room for, the selected one among them.
func (s *topScreen) table() []string {
	narrow, wide := s.width < 70, s.width >= 100
	t := columns{heads: []string{"", "CLASS", "NAME*", "WAIT/CAP", ">IN/S", ">OUT/S", ">BYTES/S"}}
	switch {
	case narrow:
		t.heads = []string{"", "NAME*", ">WAIT", ">IN/S", ">OUT/S", "PARK"}
	case wide:
		t.heads = append(t.heads, ">BYTES")
		fallthrough
	default:
		t.heads = append(t.heads, ">RDR", ">WTR", "PARK", "LAG/LOST")
	}
	rows := s.rows()
	room := max(s.height-topAround, 1)
	from := max(0, min(s.selected-room+1, len(rows)-room))
	shown := rows[from:min(len(rows), from+room)]
	for i, r := range shown {
		mark := ""
		if from+i == s.selected {
			mark = ">"
		}
		in, out := dash(r.has(cameKeys), perSecond(r.in)), dash(r.facts.has("received"), perSecond(r.out))
		if narrow {
			t.add(mark, r.class+"/"+backends.Word(r.name),
				dash(r.has(waitKeys), brief(r.sum(waitKeys))), in, out, r.parked())
			continue
		}
		cells := []string{mark, r.class, backends.Word(r.name), r.bar(), in, out,
			dash(r.facts.has("received_bytes"), bytesOf(int64(r.inBytes+r.outBytes)))}
		if wide {
			cells = append(cells, bytesOf(r.Size))
		}
		t.add(append(cells, dash(r.facts.has("readers"), brief(r.facts.num("readers"))),
			dash(r.facts.has("writers"), brief(r.facts.num("writers"))), r.parked(), r.lag())...)
	}
	lines := t.lines(s.width)
	if i := s.selected - from + 1; i < len(lines) {
		lines[i] = inverse + lines[i]
	}
	return lines
}

func perSecond(n float64) string {
	if n < 1000 {
		return fmt.Sprintf("%.1f", n)
	}
	return brief(int64(n))
}

// bar is how full an object is.
func (r topRow) bar() string {
	f := r.facts
	switch {
	case f.num("maxmsg") > 0:
		n := int(f.num("messages") * 10 / f.num("maxmsg"))
		return "[" + strings.Repeat("#", n) + strings.Repeat(" ", 10-n) + "]"
	case f.has("backlog"):
		return dash(f.has("waiting_calls"), brief(f.num("waiting_calls"))) + "/" + brief(f.num("backlog"))
	case f.has("qnum"):
		return fmt.Sprintf("%d", f.num("qnum"))
	}
	return "-"
}

// lag is how far the slowest reader of a topic is behind, and how many messages were lost.
func (r topRow) lag() string {
	if !r.facts.has("lag") {
		return "-"
	}
	most := 0
	for _, word := range r.facts.words("lag") {
		n := 0
		if _, after, ok := strings.Cut(word, "pending="); ok {
			_, _ = fmt.Sscanf(after, "%d", &n)
		}
		most = max(most, n)
	}
	return fmt.Sprintf("%d/%d", most, r.facts.num("lost"))
}

// object is one object: its status on the left, who uses it on the right, or below
// where there is no room, and what happened last.
func (s *topScreen) object() []string {
	i := slices.IndexFunc(s.now.objects, func(o object) bool { return string(o.Path) == s.detail })
	if i < 0 {
		return []string{backends.Word(s.detail) + " is gone"}
	}
	o := s.now.objects[i]
	var left []string
	for _, key := range topFacts {
		if o.facts.has(key) {
			left = append(left, fmt.Sprintf("%-10s %s", key, o.facts.str(key)))
		}
	}
	right := []string{"WHO"}
	for _, u := range o.uses(nil, "") {
		right = append(right, u.String())
	}
	lines := []string{backends.Word(s.detail) + "  " + o.remark()}
	if s.width < 70 {
		lines = append(append(lines, left...), right...)
	} else {
		for i := range max(len(left), len(right)) {
			l, r := "", ""
			if i < len(left) {
				l = left[i]
			}
			if i < len(right) {
				r = right[i]
			}
			lines = append(lines, strings.TrimRight(fmt.Sprintf("%-34s  %s", cut(l, 34), r), " "))
		}
	}
	events := s.events[max(0, len(s.events)-max(s.height/4, 1)):]
	lines = lines[:min(len(lines), max(s.height-topAround-len(events), 1))]
	return append(append(lines, "LAST CALLS"), events...)
}

// topFacts are what is told of an object that is shown alone.
var topFacts = []string{"mode", "uid", "created", "bytes", "messages", "maxmsg", "msgsize", "qnum",
	"qbytes", "sent", "received",
	"published", "sent_bytes", "received_bytes", "published_bytes", "lost", "state", "type", "waiting_calls",
	"accepted", "dialled", "connections", "nattch"}

// forJSON is one look for programs: what ls --json tells, with rates.
func (s *topScreen) forJSON() []facts {
	rows := s.rows()
	objects := make([]object, len(rows))
	for i, r := range rows {
		objects[i] = r.object
	}
	list := forJSON(objects)
	for i, r := range rows {
		list[i]["in_per_second"], list[i]["out_per_second"] = r.in, r.out
		if r.facts.has("received_bytes") {
			list[i]["in_bytes_per_second"], list[i]["out_bytes_per_second"] = r.inBytes, r.outBytes
		}
	}
	return list
}
