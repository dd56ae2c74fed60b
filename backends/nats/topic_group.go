package nats

import (
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
)

// Those who name a group share its messages, on all machines: the server gives each to one of the daemons
// that listen as members (a queue group of NATS), and the daemon to one of its own members. There is no group
// when nobody is in it, so nothing is kept for it.

// Group is the end of a group's members here, which reads what read makes of the group's own feed.
func (o *Topic) Group(group string, writes bool, read func(Feed) backends.Endpoint) (*TopicEnd, error) {
	l := o.t.l
	l.mu.Lock()
	one := o.shared()
	e := one.groups[group]
	if e == nil {
		feed := o.t.feeds.Feed(one.path, one.attr, one.rules, 0)
		e = &TopicEnd{o: one, read: read(feed), counts: true, group: group, share: feed}
		one.groups[group] = e
		one.ends[e] = struct{}{}
		one.counts(1)
		one.gather(group, true)
	}
	e.holders++
	e.writes = e.writes || writes
	l.unlock()
	if _, err := o.t.at(o.ref); err != nil { // the answer comes after the servers know of the member
		_ = e.Close() // it only gives up
		return nil, err
	}
	return e, nil
}

// gather joins a group, or leaves it.
func (o *topic) gather(group string, joins bool) {
	o.t.l.out.send(parcel{
		Msg: nats.Msg{Subject: topicSubject(liveSubjects, o.path)}, group: escape(group), listen: joins, leave: !joins,
	})
}

// shared takes a message that the server gave to the members here.
func (o *topic) shared(queue string, n uint64, m *nats.Msg) {
	for name, e := range o.groups {
		if escape(name) == queue && m.Header.Get(headClear) == "" {
			e.share.Share(n, m.Data, time.Now())
		}
	}
}

// disband is called when a group has no members here any more.
func (o *topic) disband(e *TopicEnd) {
	if o.groups[e.group] == e {
		delete(o.groups, e.group)
	}
	o.gather(e.group, false)
	if !o.removed {
		e.share.End(false)
	}
}
