package nodes

import (
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/nats"
	"github.com/ipcfs/ipcfs/backends/topic"
)

// AttachedTopics are the topics that servers elsewhere keep, as a TopicStore. What they publish is relayed to
// readers here, and reckoned with the topics of the daemon's own.
func AttachedTopics(l *nats.Link, relay *topic.Relay) TopicStore {
	k := attachedTopics{l.Topics(relayFeeds{relay}), relay}
	return TopicStore{Names: k, Opener: k, OpenDirs: true}
}

// relayFeeds have a relay make the feeds of topics.
type relayFeeds struct{ *topic.Relay }

// Feed is nats.Feeds.Feed.
func (f relayFeeds) Feed(path string, a Attr, r nats.TopicRules, after uint64) nats.Feed {
	rules, _ := fromThere(r)
	return relayFeed{f.Topic(path, a, rules, after)}
}

// relayFeed is a topic of the relay.
type relayFeed struct{ *topic.Topic }

// Become is nats.Feed.Become.
func (f relayFeed) Become(a Attr, r nats.TopicRules) {
	rules, _ := fromThere(r)
	f.Topic.Become(a, rules)
}

// fromThere are the rules of a topic that is kept elsewhere; the default ones, if others have written what is
// none.
func fromThere(r nats.TopicRules) (rules topic.Rules, ok bool) {
	rules = topic.Rules{
		Retain: r.Retain, Keep: r.Keep, Slow: topic.Slow(r.Slow), Depth: r.Depth, Bytes: r.Bytes, NeedReader: r.NeedReader,
	}
	if rules.Check() != nil || rules.Slow == topic.Block {
		return topic.DefaultRules, false
	}
	return rules, true
}

func toThere(r topic.Rules) nats.TopicRules {
	return nats.TopicRules{
		Retain: r.Retain, Keep: r.Keep, Slow: string(r.Slow), Depth: r.Depth, Bytes: r.Bytes, NeedReader: r.NeedReader,
	}
}

// attachedTopics are all parts of that store.
type attachedTopics struct {
	*nats.Topics
	relay *topic.Relay
}

// Create is TopicNames.Create.
func (k attachedTopics) Create(n Name, o Owner) (Attr, error) {
	return k.Topics.Create(n, o, toThere(topic.DefaultRules))
}

// Open is TopicOpener.Open.
func (k attachedTopics) Open(r Ref, judged bool) (Topic, error) {
	one, err := k.Topics.Open(r, judged)
	if err != nil {
		return nil, err
	}
	return attachedTopic{one}, nil
}

// All is TopicOpener.All.
func (k attachedTopics) All(r Ref, may func(way []Attr) bool) (backends.Endpoint, error) {
	a, err := k.Stat(r)
	if err != nil {
		return nil, err
	}
	end, err := k.Topics.All(r.Path, func() backends.Endpoint { return k.relay.All(r.Path, a, may) })
	if err != nil {
		return nil, err
	}
	return end, nil
}

// AllState is TopicOpener.AllState.
func (k attachedTopics) AllState(path string) topic.State {
	return withEnds(k.relay.State(path), k.Topics.AllEnds(path))
}

type attachedTopic struct{ *nats.Topic }

// Publisher is Topic.Publisher.
func (t attachedTopic) Publisher() backends.Endpoint { return t.Topic.Publisher() }

// Publishers is Topic.Publishers.
func (t attachedTopic) Publishers() (list []backends.Waiter) {
	for _, e := range t.Topic.State().Ends {
		if e.Reads() == nil {
			list = append(list, e)
		}
	}
	return list
}

// Read is Topic.Read.
func (t attachedTopic) Read(how TopicRead, writes bool) (backends.Endpoint, error) {
	read := func(f nats.Feed) backends.Endpoint { return how.of(f.(relayFeed).Topic, false) }
	if how.Group != "" {
		end, err := t.Topic.Group(how.Group, writes, how.By)
		if err != nil {
			return nil, err
		}
		return end, nil
	}
	end, err := t.Topic.Read(!how.Retained, writes, read)
	if err != nil {
		return nil, err
	}
	return end, nil
}

// State is Topic.State.
func (t attachedTopic) State() topic.State {
	there := t.Topic.State()
	s := topic.State{Last: there.Last, Published: -1}
	if f, ok := there.Feed.(relayFeed); ok {
		s = f.Topic.State()
	}
	s = withEnds(s, there.Ends)
	for _, g := range there.Groups {
		s.Readers = append(s.Readers, topic.ReaderState{Ends: g.Ends, Group: g.Name, Pending: g.Pending, Lost: g.Lost})
		s.Lost += g.Lost
		s.Given.Add(g.Given.Messages, g.Given.Bytes)
	}
	_, ok := fromThere(t.Topic.Rules())
	s.Messages, s.Broken = there.Messages, !ok
	return s
}

// withEnds has a state name the ends of open files, which read what it names.
func withEnds(s topic.State, ends []*nats.TopicEnd) topic.State {
	of := map[backends.Waiter]backends.Waiter{}
	for _, e := range ends {
		if e.Reads() != nil {
			of[e.Reads()] = e
		}
	}
	for i := range s.Readers {
		for k, one := range s.Readers[i].Ends {
			if e := of[one]; e != nil {
				s.Readers[i].Ends[k] = e
			}
		}
	}
	return s
}

// Rules is Topic.Rules.
func (t attachedTopic) Rules() topic.Rules {
	r, _ := fromThere(t.Topic.Rules())
	return r
}

// Restrict is Topic.Restrict.
func (t attachedTopic) Restrict(r topic.Rules) error {
	if err := r.Check(); err != nil {
		return err
	}
	return t.Topic.Restrict(toThere(r))
}
