package nats

import (
	"strings"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
)

// all are the topics below a directory that somebody reads. Link.mu guards it.
type all struct {
	t       *Topics
	dir     string
	subject string
	ends    int // that are open or being opened
	open    map[*TopicEnd]struct{}
	known   map[string]*member
	held    int // bytes of messages that wait until it is known whose their topics are
}

// A member is a topic of which something came.
type member struct {
	attr  backends.Attr
	last  uint64 // number of the last message
	asked bool
	line  []*nats.Msg // until it is known whose the topic is
}

// How many messages of a topic wait until it is known whose it is, and how many bytes of all topics below a
// directory.
const (
	maxUnjudged = 256
	maxAllHeld  = 8 << 20
)

// All is an end that reads what is announced of the topics below a directory from now on, by what read makes.
func (t *Topics) All(dir string, read func() backends.Endpoint) (*TopicEnd, error) {
	t.l.mu.Lock()
	a := t.alls[dir]
	if a == nil {
		a = &all{t: t, dir: dir, subject: liveSubjects + ">", open: map[*TopicEnd]struct{}{}, known: map[string]*member{}}
		if dir != "" {
			a.subject = topicSubject(liveSubjects, dir) + ".>"
		}
		t.alls[dir] = a
	}
	if a.ends++; a.ends == 1 {
		a.listen()
	}
	t.l.unlock()
	err := t.l.call("INFO", nil, nil) // the answer comes after the servers know of the subscription
	t.l.mu.Lock()
	defer t.l.unlock()
	if err != nil {
		a.leave()
		return nil, err
	}
	e := &TopicEnd{all: a, read: read()}
	a.open[e] = struct{}{}
	return e, nil
}

// AllEnds are the open files of all topics below a directory.
func (t *Topics) AllEnds(dir string) (list []*TopicEnd) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	if a := t.alls[dir]; a != nil {
		for e := range a.open {
			list = append(list, e)
		}
	}
	return list
}

func (a *all) listen() {
	readers := readerSubjects + strings.TrimPrefix(a.subject, liveSubjects)
	for _, subject := range []string{a.subject, readers} {
		a.t.l.out.send(parcel{Msg: nats.Msg{Subject: subject}, listen: true})
	}
}

// leave is called when an end is closed.
func (a *all) leave() {
	if a.ends--; a.ends > 0 {
		return
	}
	readers := readerSubjects + strings.TrimPrefix(a.subject, liveSubjects)
	for _, subject := range []string{a.subject, readers} {
		a.t.l.out.send(parcel{Msg: nats.Msg{Subject: subject}, leave: true})
	}
	delete(a.t.alls, a.dir)
}

// arrived takes what was published to a topic.
func (a *all) arrived(path string, m *nats.Msg) {
	one := a.known[path]
	if one == nil {
		one = &member{}
		a.known[path] = one
	}
	if one.attr.Mode != 0 {
		a.announce(path, one, m)
		return
	}
	if len(one.line) < maxUnjudged && a.held+len(m.Data) <= maxAllHeld {
		one.line = append(one.line, m)
		a.held += len(m.Data)
	}
	if one.asked || a.t.l.closed {
		return
	}
	one.asked = true
	a.t.l.idle.Go(func() { a.judge(path, one) }) // to look up users may take long
}

// judge finds out whose a topic is, and gives what came of it.
func (a *all) judge(path string, one *member) {
	attr, err := a.t.look(path)
	l := a.t.l
	l.mu.Lock()
	defer l.unlock()
	if a.known[path] != one {
		return // there is another topic of that path, whose messages wait for an answer of their own
	}
	if err != nil || attr.ID == (backends.ID{}) {
		a.forget(path)
		return
	}
	one.attr, one.asked = attr, false
	for _, m := range a.waiting(one) {
		a.announce(path, one, m)
	}
}

// waiting takes the messages of a topic that wait.
func (a *all) waiting(one *member) []*nats.Msg {
	line := one.line
	one.line = nil
	for _, m := range line {
		a.held -= len(m.Data)
	}
	return line
}

// forget forgets a topic.
func (a *all) forget(path string) {
	if one := a.known[path]; one != nil {
		a.waiting(one)
		delete(a.known, path)
	}
}

func (a *all) announce(path string, one *member, m *nats.Msg) {
	seq := seqOf(m)
	if seq <= one.last {
		return
	}
	var lost uint64
	if one.last > 0 {
		lost = seq - one.last - 1
	}
	one.last = seq
	if m.Header.Get(headClear) != "" {
		return
	}
	way := []backends.Attr{a.t.directory("", a.t.began)}
	for i := range path {
		if path[i] == '/' {
			way = append(way, a.t.directory(path[:i], a.t.began))
		}
	}
	a.t.feeds.Announce(path, append(way, one.attr), seq, lost, m.Data)
}

// hear takes what answers no question.
func (t *Topics) hear(m *nats.Msg) bool {
	switch {
	case m.Sub != nil && strings.HasPrefix(m.Sub.Subject, readerSubjects):
		if m.Reply != "" {
			t.l.tell(m.Reply, "+")
		}
		return true
	case strings.HasPrefix(m.Subject, liveSubjects):
		path, ok := topicAt(liveSubjects, m.Subject)
		if n := seqOf(m); ok && n > 0 {
			t.heardOf(path, n, m)
		}
		return true
	}
	what, ok := strings.CutPrefix(m.Subject, "$JS.EVENT.ADVISORY.STREAM.")
	verb, stream, _ := strings.Cut(what, ".")
	if path, isTopic := topicOf(stream); ok && isTopic {
		t.changed(verb, path, stream)
	}
	return false
}

// heardOf takes a message that was published to a topic: for its readers, or for those of a directory.
func (t *Topics) heardOf(path string, n uint64, m *nats.Msg) {
	if !strings.HasSuffix(m.Sub.Subject, ">") {
		stream, err := topicStream(path)
		o := t.open[stream]
		switch {
		case err != nil || o == nil:
		default:
			o.live(n, arrivalOf(m))
		}
		return
	}
	for _, a := range t.alls {
		if a.subject == m.Sub.Subject {
			a.arrived(path, m)
			return // those who read a directory above it hear it by another subscription
		}
	}
}

// changed is told that a topic was changed or removed.
func (t *Topics) changed(verb, path, stream string) {
	if o := t.open[stream]; o != nil {
		o.check()
	}
	for _, a := range t.alls {
		if one := a.known[path]; one != nil && verb == "UPDATED" {
			one.attr = backends.Attr{} // whose it is now is to be found out
		} else {
			a.forget(path)
		}
	}
}

// heal is called when there is a connection again.
func (t *Topics) heal() {
	t.l.mu.Lock()
	defer t.l.unlock()
	for _, o := range t.open {
		if o.follows > 0 {
			o.listen()
		}
		if o.listens > 0 {
			o.listens--
			o.counts(1)
		}
		o.check()
	}
	for _, a := range t.alls {
		a.listen()
	}
}
