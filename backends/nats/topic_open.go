package nats

import (
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// A Topic is one topic as it was found. Its methods wait for answers, and are for workers, but for Clear and
// Forget.
type Topic struct {
	t     *Topics
	ref   backends.Ref
	info  *streamInfo
	rules TopicRules
	attr  backends.Attr
}

// Open finds the very topic. One that is judged is ESTALE if its owner or mode are not those that were seen.
func (t *Topics) Open(r backends.Ref, judged bool) (*Topic, error) {
	t.awaitClears(r.Path)
	info, err := t.at(r)
	if err != nil {
		if err == unix.ENOENT {
			if a, other := t.look(r.Path); other == nil && a.Type() == unix.S_IFDIR {
				err = unix.EISDIR
			}
		}
		return nil, err
	}
	a := t.l.attr(info)
	if judged {
		if err := r.Judged(a); err != nil {
			return nil, err
		}
	}
	r.Was = a
	return &Topic{t: t, ref: r, info: info, rules: topicRules(&info.Config), attr: a}, nil
}

// awaitClears waits until the servers know what was taken back of a topic before.
func (t *Topics) awaitClears(path string) {
	stream, err := topicStream(path)
	if err != nil {
		return
	}
	t.l.mu.Lock()
	o := t.open[stream]
	if o == nil || o.clears == 0 {
		t.l.mu.Unlock()
		return
	}
	known := make(chan struct{})
	o.cleared = append(o.cleared, func() { close(known) })
	t.l.mu.Unlock()
	<-known
}

// shared is what all have in common here who have the topic open. The caller holds Link.mu.
func (o *Topic) shared() *topic {
	stream := o.info.Config.Name
	one := o.t.open[stream]
	if one != nil && one.id != o.attr.ID {
		one.gone()
		one = nil
	}
	if one == nil {
		one = &topic{
			t: o.t, path: o.ref.Path, stream: stream, id: o.attr.ID, attr: o.attr, rules: o.rules,
			ends: map[*TopicEnd]struct{}{}, groups: map[string]*group{},
		}
		o.t.open[stream] = one
	}
	one.learn(o.attr, o.rules)
	return one
}

// Rules are the topic's, as it was found.
func (o *Topic) Rules() TopicRules { return o.rules }

// Restrict sets them.
func (o *Topic) Restrict(r TopicRules) error {
	if r.Slow == "block" {
		return refusal(unix.EOPNOTSUPP, NoBlock, "")
	}
	info, err := o.t.at(o.ref)
	if err != nil {
		return err
	}
	return o.t.l.update(info, func(c *streamConfig) { r.put(c, info.State.Consumers > 0) })
}

// TopicState is what there is to tell of a topic that nobody reads here.
type TopicState struct {
	Last     uint64 // number of the newest message
	Messages int    // that are stored
	Feed     Feed   // that has the rest; nil: none
	Groups   []GroupState
	Ends     []*TopicEnd // but for those of members
}

// State tells of the topic. It does not wait.
func (o *Topic) State() TopicState {
	s := TopicState{Last: o.info.State.LastSeq, Messages: int(o.info.State.Msgs)}
	o.t.l.mu.Lock()
	defer o.t.l.mu.Unlock()
	if one := o.t.open[o.info.Config.Name]; one != nil && one.id == o.attr.ID {
		s.Feed = one.feed
		for e := range one.ends {
			if e.g == nil {
				s.Ends = append(s.Ends, e)
			}
		}
		s.Groups = one.states()
	}
	return s
}

// Publisher is an end that only writes.
func (o *Topic) Publisher() *TopicEnd {
	o.t.l.mu.Lock()
	defer o.t.l.unlock()
	e := &TopicEnd{o: o.shared(), writes: true}
	e.o.ends[e] = struct{}{}
	return e
}

// Read is an end that reads what read makes of the feed, when that has all that was published until now.
// counts says whether it is a reader for those who publish to readers only.
func (o *Topic) Read(counts, writes bool, read func(Feed) backends.Endpoint) (*TopicEnd, error) {
	l := o.t.l
	l.mu.Lock()
	one := o.shared()
	one.follow()
	l.unlock()
	err := o.synced(one)
	l.mu.Lock()
	defer l.unlock()
	if err == nil && (one.removed || one.feed == nil) {
		err = unix.ESTALE
	}
	if err != nil {
		one.unfollow()
		return nil, err
	}
	e := &TopicEnd{o: one, read: read(one.feed), writes: writes, follows: true, counts: counts}
	one.ends[e] = struct{}{}
	if counts {
		one.counts(1)
	}
	return e, nil
}

// synced waits until the feed has all that was published before. What the servers are asked now they are
// asked after the subscription, on the same connection. Servers of a cluster tell each other of that a moment
// later, so they are asked once more.
func (o *Topic) synced(one *topic) error {
	info, err := o.t.at(o.ref)
	if err != nil {
		return err
	}
	known := make(chan error, 1)
	l := o.t.l
	l.mu.Lock()
	if one.removed {
		l.unlock()
		return unix.ESTALE
	}
	one.sync(&info.State)
	one.waits = append(one.waits, wait{info.State.LastSeq, func(err error) { known <- err }})
	one.drain()
	l.unlock()
	if o.t.l.cluster() != "" {
		time.AfterFunc(settlePeriod, func() {
			l.mu.Lock()
			defer l.unlock()
			if !l.closed && one.feed != nil {
				one.check()
			}
		})
	}
	return <-known
}

// cluster is the name of that of the server, "" if it is alone.
func (l *Link) cluster() string {
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	if conn == nil {
		return ""
	}
	return conn.ConnectedClusterName()
}

// Clear takes back the retained value; Forget also the messages that are kept. Neither waits: whoever opens
// the topic later does.
func (o *Topic) Clear()        { o.clear(clearValue) }
func (o *Topic) Forget(uint64) { o.clear(clearAll) }

func (o *Topic) clear(what string) {
	l := o.t.l
	l.mu.Lock()
	defer l.unlock()
	one := o.shared()
	one.clears++
	over := func() {
		if one.clears--; one.clears == 0 {
			for _, f := range one.cleared {
				f()
			}
			one.cleared = nil
			one.forget()
		}
	}
	id := nats.NewInbox()[len("_INBOX."):]
	err := l.ask(&question{
		subject: topicSubject(topicSubjects, one.path), keep: true, patient: true, doubt: one.check,
		header: nats.Header{nats.MsgIdHdr: []string{id}, headClear: []string{what}},
		answer: func(m *nats.Msg, err error) {
			seq, err := storedAs(m, err)
			if err != nil || what != clearAll {
				over()
				return
			}
			if err := l.ask(&question{
				subject: api + "STREAM.PURGE." + one.stream, body: encode(map[string]uint64{"seq": seq}),
				keep: true, patient: true, answer: func(*nats.Msg, error) { over() },
			}, l.c.Timeout); err != nil {
				over()
			}
		},
	}, l.c.Timeout)
	if err != nil {
		over()
	}
}
