package monitoring

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/nodes"
)

// seen is a look at queues, by how many messages wait in each, and how many it took in so far.
func seen(depth, sent int64, names ...string) (l look) {
	for _, name := range names {
		l.add(nodes.Surveyed{Class: "queues", Name: name, Facts: []nodes.Fact{
			{Key: "messages", Value: depth}, {Key: "sent", Value: nodes.Count(sent)}, {Key: "received", Value: nodes.Count(0)},
			{Key: "sent_bytes", Value: nodes.Count(9 * sent)},
		}})
	}
	return l
}

// TestHistory: rates are of what came between two looks, and are not fooled by another object of the name.
func TestHistory(t *testing.T) {
	at := time.Unix(1000, 0)
	h := newHistory(at)
	for i, step := range []struct {
		depth, sent int64
		rate        float64
		total       int64
	}{
		{1, 100, 0, 100}, {2, 110, 2, 110}, {0, 110, 0, 110}, {3, 5, 1, 115}, {3, 10, 1, 120},
	} {
		h.take(at.Add(time.Duration(i)*period), seen(step.depth, step.sent, "q"))
		if r := h.rows[0]; r.in != step.rate || r.flow != 9*step.rate || h.moved["queues"].in != step.total {
			t.Errorf("look %d: %v a second, %v bytes, %d in all", i, r.in, r.flow, h.moved["queues"].in)
		}
	}
	tr := h.tracks["queues/q"]
	if past := tr.past(&tr.depth); fmt.Sprint(past[points-5:]) != "[1 2 0 3 3]" || past[0] != 0 {
		t.Errorf("%v", past)
	}
	h.take(at.Add(time.Hour), look{})
	if len(h.tracks) != 0 || h.classes["queues"].objects != 0 || h.classes["queues"].track.depth[4] != 3 {
		t.Error("an object that is gone has a past, or its class has none")
	}
}

// TestHistoryBounds: however many objects there are and were, what is kept is bounded, and those that have
// nothing any more make room.
func TestHistoryBounds(t *testing.T) {
	at := time.Unix(1000, 0)
	h := newHistory(at)
	var names []string
	for i := range 500 {
		names = append(names, fmt.Sprint("old", i))
	}
	h.take(at, seen(1, 0, names...))
	if len(h.tracks) != maxTracks || len(h.rows) != maxRows || h.total != 500 {
		t.Errorf("%d %d %d", len(h.tracks), len(h.rows), h.total)
	}
	for range points {
		at = at.Add(period)
		h.take(at, seen(0, 0, names...))
	}
	h.take(at, seen(1, 0, "new"))
	if len(h.tracks) != 1 || h.tracks["queues/new"] == nil {
		t.Errorf("%d tracks", len(h.tracks))
	}
}

// TestPlot: a plot is as high as its highest point, and says so.
func TestPlot(t *testing.T) {
	line := make([]float32, points)
	line[points-2], line[points-1] = 40, 20
	svg := plot("Depth", "/s", line)
	for _, want := range []string{"Depth: 40/s at most, 20/s now", "0,43 236,43 238,3 240,23"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in %s", want, svg)
		}
	}
	if flat := plot("Depth", "", make([]float32, points)); !strings.Contains(flat, `points="0,43 240,43"`) {
		t.Error(flat)
	}
}

// TestPageEscapes: no word of a stranger's becomes markup, ends a line or reaches a terminal.
func TestPageEscapes(t *testing.T) {
	var p page
	name := "<script>\"'&\n\x1b\u202e"
	p.name(name)
	p.text(name)
	p.element("p", name)
	if s := p.String(); strings.ContainsAny(s, "\"'\n\x1b\u202e") || strings.Contains(s, "<script") {
		t.Errorf("%q", s)
	}
}

func TestParseAddress(t *testing.T) {
	for text, ok := range map[string]bool{
		"127.0.0.1:9177": true, "localhost:1": true, "[::1]:0": true, "127.9.9.9:80": true, "unix:/run/x": true,
		"0.0.0.0:1": false, ":9177": false, "192.168.1.1:9": false, "9177": false, "unix:": false, "": false,
		"localhost:": false, "127.0.0.1:http": false, "127.0.0.1:65536": false, "127.0.0.1:-1": false,
		"unix:/" + strings.Repeat("x", 107): false,
	} {
		if _, err := ParseAddress(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzParseAddress: what is taken is where nobody else's machine can ask, and what net.Listen takes without a
// look at a service's or a host's name. A browser that was sent there is served.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{
		"127.0.0.1:9177", "localhost:1", "[::1]:0", "127.9.9.9:80", "unix:/run/x", "0.0.0.0:1", ":9177",
		"[::ffff:127.0.0.1]:1", "[::ffff:10.0.0.1]:1", "[::1%lo]:1", "[[::1]]:1", "unix:", "localhost:", "LOCALHOST:1",
		"127.0.0.1:http", "127.1:1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAddress(text)
		if err != nil {
			if a != "" || err.Error() == "" {
				t.Errorf("%q is refused, and is %q: %v", text, a, err)
			}
			return
		}
		if string(a) != text {
			t.Fatalf("%q is %q", text, a)
		}
		if path, ok := a.path(); ok {
			if _, err := net.ResolveUnixAddr("unix", path); err != nil || len(path) < 1 || len(path) > 107 {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		at, err := netip.ParseAddrPort(strings.Replace(text, "localhost", "127.0.0.1", 1))
		if err != nil || !at.Addr().IsLoopback() {
			t.Errorf("%q is %v, %v", text, at, err)
		}
		if s := (&Server{o: Options{Address: a}}); !s.ours(text) {
			t.Errorf("%q is not served there", text)
		}
	})
}
