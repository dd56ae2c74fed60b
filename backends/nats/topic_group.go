package nats

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// A group are those who name it and share the messages of a topic, on all machines: a durable consumer of the
// topic's stream. The servers give each message to one who asks, and again if it comes back. On a machine its
// members have a queue in common (queue.go). Link.mu guards it.
//
// The servers forget it groupLimit after the last sign of life, so each machine with members gives one now
// and then. What its machines remember they compare after a failure (settle): the position that a server
// keeps for a consumer is on its disk a moment later than what it has answered.
type group struct {
	o        *topic
	q        *queue
	name     string
	consumer string
	share    *share
	members  map[*MemberEnd]struct{}

	made    time.Time // when the servers made the consumer
	top     nats.SequenceInfo
	behind  uint64 // messages that were still to be given, as was heard last
	lost    uint64 // messages that the group did not get, as far as is seen here
	asks    bool   // how it is is being asked
	settled bool   // it is known what others have received
	settles bool   // they are being asked
	floor   uint64 // from where on
}

const (
	// groupConsumers is what the names of their consumers begin with.
	groupConsumers = "g_"
	// groupLimit is how long servers remember a group that nobody is in: as long as links and servers may be
	// away.
	groupLimit = 20 * time.Second
	groupBeat  = groupLimit / 4 // after which a machine gives a sign of life
	// maxGroups is how many groups the servers may keep for one user of a machine, those of groupLimit
	// included.
	maxGroups = 64
)

// groupAt is by what a link knows the queue of a group.
func groupAt(stream, consumer string) string { return stream + "." + consumer }

// held is how many messages the stream of a topic keeps: enough for a group's members to be as late as
// readers may be, if there is a group.
func (r TopicRules) held(shared bool) int64 {
	if shared {
		return int64(max(r.Keep, r.Depth, 1))
	}
	return int64(max(r.Keep, 1))
}

// Group is an end of a new member of a group, for a user who pays for the group if it is the first here. It
// waits for answers.
func (o *Topic) Group(name string, writes bool, uid uint32) (*MemberEnd, error) {
	consumer := groupConsumers + escape(name)
	if len(consumer) > maxStream {
		return nil, unix.ENAMETOOLONG
	}
	l := o.t.l
	at := groupAt(o.info.Config.Name, consumer)
	s, err := l.sharing(at, uid)
	if err != nil {
		return nil, err
	}
	info, err := o.gather(at, consumer)
	l.mu.Lock()
	defer l.unlock()
	if err != nil {
		l.leaves(at, s)
		return nil, err
	}
	one := o.shared()
	g := one.groups[name]
	if g == nil {
		g = one.newGroup(name, consumer, s, info)
	}
	m := &MemberEnd{
		TopicEnd: &TopicEnd{o: one, g: g, writes: writes, counts: true},
		in:       &end{q: g.q, reads: true, uid: uid},
	}
	g.q.ends = append(g.q.ends, m.in)
	g.members[m] = struct{}{}
	one.ends[m.TopicEnd] = struct{}{}
	one.counts(1)
	return m, nil
}

// gather has the servers keep enough messages, and remember the group, unless it has members here.
func (o *Topic) gather(at, consumer string) (*nats.ConsumerInfo, error) {
	l := o.t.l
	l.mu.Lock()
	q := l.queues[at]
	here := q != nil && q.id == o.attr.ID && q.g.settled
	l.mu.Unlock()
	if here {
		return nil, nil
	}
	if n := o.rules.held(true); o.info.Config.MaxMsgs > 0 && o.info.Config.MaxMsgs < n {
		err := o.t.update(o.ref, func(c *streamConfig) { c.MaxMsgs = max(c.MaxMsgs, n) })
		if err != nil {
			return nil, err
		}
	}
	config := groupConfig(consumer, l.c.Rules.or(defaultRules).Redeliver)
	config.DeliverPolicy = nats.DeliverNewPolicy
	if o.rules.Retain {
		config.DeliverPolicy = nats.DeliverLastPolicy
	}
	info := &nats.ConsumerInfo{}
	stream := o.info.Config.Name
	err := l.call(groupSubject("CREATE", stream, consumer), creation(stream, config), info)
	if err == errConsumerExists {
		err = l.call(groupSubject("INFO", stream, consumer), nil, info)
	}
	return info, err
}

// groupConfig is what the consumer of a group is like, but for where it begins.
func groupConfig(consumer string, redeliver time.Duration) nats.ConsumerConfig {
	return nats.ConsumerConfig{
		Durable: consumer, Name: consumer, AckPolicy: nats.AckExplicitPolicy, AckWait: redeliver, MaxDeliver: -1,
		MaxAckPending: -1, MaxWaiting: maxWaiting, InactiveThreshold: groupLimit,
	}
}

// creation asks for a consumer that must not exist yet, or be the same.
func creation(stream string, c nats.ConsumerConfig) any {
	return map[string]any{"stream_name": stream, "action": "create", "config": c}
}

func groupSubject(verb, stream, consumer string) string {
	return "CONSUMER." + verb + "." + groupAt(stream, consumer)
}

// newGroup begins a group that has no members here.
func (o *topic) newGroup(name, consumer string, s *share, info *nats.ConsumerInfo) *group {
	q := &queue{
		l: o.t.l, name: o.path, stream: o.stream, id: o.id, prios: []uint32{0},
		rules: QueueRules{MsgSize: backends.MaxMessage, Redeliver: o.t.l.c.Rules.or(defaultRules).Redeliver},
	}
	g := &group{
		o: o, q: q, name: name, consumer: consumer, share: s, members: map[*MemberEnd]struct{}{},
	}
	q.g = g
	for _, d := range s.left {
		if d.q.id != q.id { // it was of another topic of that name
			q.l.release(d)
			continue
		}
		d.q = q
		q.spare = append(q.spare, d)
	}
	s.left, s.of = nil, q.key("")
	o.groups[name], q.l.queues[q.at()] = g, q
	if info != nil { // else the last member left just now
		g.saw(info)
		g.made = info.Created
		g.settled = info.Delivered.Consumer == 0 || s.knows(q.l)
	}
	if !g.settled {
		g.doubt()
	}
	g.beat()
	return g
}

// saw takes up what the servers tell of the consumer.
func (g *group) saw(info *nats.ConsumerInfo) {
	if info.Config.AckWait > 0 {
		g.q.rules.Redeliver = info.Config.AckWait
	}
	if info.Delivered.Stream > g.top.Stream {
		g.top = info.Delivered
	}
	g.behind = info.NumPending
}

// came takes note of a message that was given to this machine. One that clears is nobody's. A gap is what the
// stream has thrown away before the consumer was there; what was given again since may hide some of it.
func (g *group) came(d *delivery, clears string) {
	g.behind = d.behind
	if n := d.seq - g.top.Stream; d.tries == 1 && d.seq > g.top.Stream {
		if turns := d.turn - g.top.Consumer; d.turn > g.top.Consumer && n > turns && clears != clearAll {
			g.lost += n - turns
		}
		g.top = nats.SequenceInfo{Stream: d.seq, Consumer: d.turn}
	}
	d.again = d.again || !g.settled
	if clears != "" && !d.known {
		g.q.l.tell(d.ack, ackDone)
		d.known = true
	}
}

// beat gives a sign of life, as long as there are members here, and looks how the group is. Any
// acknowledgement is a sign of life: this one is of no message.
func (g *group) beat() {
	time.AfterFunc(groupBeat, func() {
		l := g.q.l
		l.mu.Lock()
		defer l.unlock()
		if l.closed || g.over() {
			return
		}
		if l.up {
			l.tell("$JS.ACK."+groupAt(g.q.stream, g.consumer)+".0.0.0.0.0", ackGoing)
		}
		g.doubt()
		g.beat()
	})
}

// over reports whether nobody is in it here any more.
func (g *group) over() bool { return g.q.removed || g.o.groups[g.name] != g }

// putBack gives a message that was received, and that nobody came for, to another member here, now or later.
// It stays what it is to all others: taken.
func (g *group) putBack(d *delivery) {
	d.sure = true
	g.q.l.offer(g.q, d)
}

// leave keeps such a message for the next member.
func (g *group) leave(d *delivery) { g.share.left = append(g.share.left, d) }

// recheckGroup is recheck for a take of a group: is there a message in the stream that the consumer has not
// given to anybody?
func (t *take) recheckGroup(stream *streamInfo) {
	q := t.e.q
	if d := q.takeAnySpare(); d != nil {
		t.list = append(t.list, d)
	}
	last := stream.State.LastSeq
	switch {
	case len(t.list)+len(t.e.hand) > 0:
		t.pulled()
		return
	case stream.State.Msgs == 0 || last <= q.g.top.Stream:
		t.finish(backends.ErrWouldBlock)
		return
	}
	info := &nats.ConsumerInfo{}
	t.inquire(groupSubject("INFO", q.stream, q.g.consumer), nil, info, func() {
		q.g.saw(info)
		if last <= info.Delivered.Stream {
			t.finish(backends.ErrWouldBlock)
			return
		}
		t.prios = slices.Clone(q.prios)
		t.nextPrio()
	})
}

// GroupState is what there is to tell of a group, as far as it is known here.
type GroupState struct {
	Name    string
	Pending int // messages that are still to be given to anybody
	Lost    uint64
	Given   backends.Moved // to members here
	Ends    []backends.Waiter
}

// states tells of the groups that have members here.
func (o *topic) states() (list []GroupState) {
	for _, g := range o.groups {
		s := GroupState{Name: g.name, Pending: int(g.behind), Lost: g.lost, Given: g.q.taken}
		for m := range g.members {
			s.Ends = append(s.Ends, m)
		}
		list = append(list, s)
	}
	return list
}

// consumerAnswer is what the servers answer about a consumer.
type consumerAnswer struct {
	nats.ConsumerInfo
	Error *apiError `json:"error"`
}

// about asks about the consumer. code is 0, or that of the error that the servers answered; err says that
// they did not.
func (g *group) about(verb string, in any, answer func(info *nats.ConsumerInfo, code int, err error)) error {
	return g.q.l.ask(&question{
		subject: api + groupSubject(verb, g.q.stream, g.consumer), body: encode(in), keep: true, patient: true,
		answer: func(m *nats.Msg, err error) {
			var a consumerAnswer
			if err == nil {
				err = json.Unmarshal(m.Data, &a)
			}
			code := 0
			if a.Error != nil {
				code = a.Error.ErrCode
			}
			answer(&a.ConsumerInfo, code, err)
		},
	}, g.q.l.c.Timeout)
}
