package nats

import (
	"strings"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
)

// A catalogue is which queues, or which topics, there are, as it was heard last: what the status of the
// daemon tells does not wait for servers. It is made anew when there is a connection again, and kept by what
// JetStream tells all. Link.mu guards it.
type catalogue struct {
	l      *Link
	class  string // how the paths of its names begin
	filter string // of subjects
	nameOf func(stream string) (string, bool)
	names  map[string]bool
	known  bool // it was listed since there is a connection
	stale  bool // something happened while it was being listed
	asks   bool
}

// newCatalogue begins to follow streams. The caller does not hold Link.mu.
func (l *Link) newCatalogue(class, filter string, nameOf func(string) (string, bool)) *catalogue {
	c := &catalogue{l: l, class: class, filter: filter, nameOf: nameOf, names: map[string]bool{}}
	l.mu.Lock()
	defer l.unlock()
	l.catalogues = append(l.catalogues, c)
	if l.up {
		c.refresh()
	}
	return c
}

// refresh lists what there is.
func (c *catalogue) refresh() {
	c.known = false
	if c.asks {
		c.stale = true
		return
	}
	c.page(map[string]bool{}, 0)
}

// page asks for the names from one on.
func (c *catalogue) page(names map[string]bool, at int) {
	err := c.l.ask(&question{
		subject: api + "STREAM.NAMES", body: encode(map[string]any{"subject": c.filter, "offset": at}), patient: true,
		answer: func(m *nats.Msg, err error) {
			c.asks = false
			var page streamNames
			if err == nil {
				err = decode(m.Data, &page)
			}
			switch {
			case c.stale:
				c.stale = false
				c.refresh()
			case err == errDown: // it is listed when there is a connection again
			case err != nil:
				c.l.later(c.refresh)
			default:
				for _, stream := range page.Streams {
					if name, ok := c.nameOf(stream); ok {
						names[name] = true
					}
				}
				if at += len(page.Streams); at < page.Total && len(page.Streams) > 0 {
					c.page(names, at)
				} else {
					c.become(names)
				}
			}
		},
	}, c.l.c.Timeout)
	c.asks = err == nil
}

// become takes up what there is now, and tells what is new.
func (c *catalogue) become(names map[string]bool) {
	old := c.names
	c.names, c.known = names, true
	for name := range old {
		if !names[name] {
			c.tell(backends.EventRemove, name)
		}
	}
	for name := range names {
		if !old[name] {
			c.tell(backends.EventCreate, name)
		}
	}
}

// advised takes what JetStream tells: CREATED or DELETED.
func (c *catalogue) advised(what, stream string) {
	name, ok := c.nameOf(stream)
	if !ok {
		return
	}
	c.stale = c.asks
	switch {
	case what == "CREATED" && !c.names[name]:
		c.names[name] = true
		c.tell(backends.EventCreate, name)
	case what == "DELETED" && c.names[name]:
		delete(c.names, name)
		c.tell(backends.EventRemove, name)
	}
}

func (c *catalogue) tell(kind backends.EventKind, name string) {
	if told := c.l.told; told != nil {
		c.l.wakes = append(c.l.wakes, func() { told(kind, c.class+name) })
	}
}

// streamNames is what STREAM.NAMES answers.
type streamNames struct {
	Total   int      `json:"total"`
	Streams []string `json:"streams"`
}

// Tell has f told of each queue and topic that is made or removed from now on, by whomever, with its path in
// the attachment. It is called with no lock held.
func (l *Link) Tell(f func(kind backends.EventKind, path string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = f
}

// Count is how many queues there are, as was heard last. It does not wait.
func (s *Queues) Count() (int, error) {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	return len(s.names.names), nil
}

// advised takes what JetStream tells all of a stream.
func (l *Link) advised(m *nats.Msg) {
	what, ok := strings.CutPrefix(m.Subject, "$JS.EVENT.ADVISORY.")
	if !ok {
		return
	}
	parts := strings.Split(what, ".") // STREAM.DELETED.NAME, CONSUMER.CREATED.NAME.CONSUMER
	if len(parts) < 3 {
		return
	}
	if parts[0] == "STREAM" {
		for _, c := range l.catalogues {
			c.advised(parts[1], parts[2])
		}
	}
	at := parts[2]
	if len(parts) > 3 && strings.HasPrefix(parts[3], groupConsumers) {
		at = groupAt(at, parts[3])
	}
	q := l.queues[at]
	if q == nil {
		return
	}
	switch prio, ok := prioOf(parts[len(parts)-1]); {
	case parts[0] == "STREAM":
		q.doubt()
	case parts[1] == "LEADER_ELECTED" && (ok || q.g != nil):
		q.led = time.Now()
	case ok:
		q.used(prio)
	}
}
