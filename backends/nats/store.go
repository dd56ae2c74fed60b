package nats

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// Queues are the queues of an attachment. Their methods wait for answers, and are for workers.
type Queues struct {
	l     *Link
	names *catalogue
}

// Queues are those that the link leads to. It is to be called once.
func (l *Link) Queues() *Queues {
	return &Queues{l, l.newCatalogue("queues/", queueSubjects+">", queueOf)}
}

// info asks for what there is to know of a stream.
func (l *Link) info(stream string, subjects bool) (*streamInfo, error) {
	var in any
	if subjects {
		in = map[string]string{"subjects_filter": ">"}
	}
	info := &streamInfo{}
	if err := l.call("STREAM.INFO."+stream, in, info); err != nil {
		return nil, err
	}
	return info, nil
}

// at asks about the very queue.
func (s *Queues) at(r backends.Ref) (*streamInfo, error) {
	stream, err := queueStream(r.Path)
	if err != nil {
		return nil, err
	}
	info, err := s.l.info(stream, false)
	if err != nil {
		return nil, err
	}
	if r.Was.ID != (backends.ID{}) && r.Was.ID != idOf(info) {
		return nil, unix.ESTALE
	}
	return info, nil
}

// Stat tells of the very queue, or of whatever has the name if the Ref has no ID.
func (s *Queues) Stat(r backends.Ref, sized bool) (backends.Attr, error) {
	info, err := s.at(r)
	if err != nil {
		return backends.Attr{}, err
	}
	a := s.l.attr(info)
	if !sized {
		a.Size = 0
	}
	return a, nil
}

// List names the queues.
func (s *Queues) List() (list []backends.Entry, err error) {
	err = s.l.names(queueSubjects+">", func(stream string) {
		if name, ok := queueOf(stream); ok {
			list = append(list, backends.Entry{Name: name, Type: unix.S_IFREG})
		}
	})
	return list, err
}

// names tells of all streams that have subjects under a filter.
func (l *Link) names(filter string, f func(stream string)) error {
	for at := 0; ; {
		var page streamNames
		if err := l.call("STREAM.NAMES", map[string]any{"subject": filter, "offset": at}, &page); err != nil {
			return err
		}
		for _, name := range page.Streams {
			f(name)
		}
		if at += len(page.Streams); at >= page.Total || len(page.Streams) == 0 {
			return nil
		}
	}
}

// Change sets mode and owner of the very queue, if it is still the user's that was seen.
func (s *Queues) Change(r backends.Ref, c backends.Change) error {
	info, err := s.at(r)
	if err != nil {
		return err
	}
	if err := r.Owned(s.l.attr(info)); err != nil {
		return err
	}
	set := attrMeta(c)
	if len(set) == 0 {
		return nil
	}
	return s.l.update(info, func(config *streamConfig) { maps.Copy(config.Metadata, set) })
}

// Remove takes a queue away in somebody's name, with all that is in it: EPERM if it is neither theirs nor are
// they root.
func (s *Queues) Remove(name string, by backends.Cred) error {
	info, err := s.at(backends.Ref{Path: name})
	if err != nil {
		return err
	}
	if a := s.l.attr(info); by.Uid != 0 && by.Uid != a.Uid {
		return unix.EPERM
	}
	if err := s.l.erase(info); err != nil {
		return err
	}
	s.l.mu.Lock()
	defer s.l.unlock()
	if q := s.l.queues[info.Config.Name]; q != nil && q.id == idOf(info) {
		q.gone()
	}
	return nil
}

// Create makes a queue that must not exist yet, and opens it for access (O_RDONLY, O_WRONLY, O_RDWR).
func (s *Queues) Create(name string, o backends.Owner, r QueueRules, access int) (*End, backends.Attr, error) {
	stream, err := queueStream(name)
	if err != nil {
		return nil, backends.Attr{}, err
	}
	r = r.or(s.l.c.Rules).or(defaultRules)
	meta := newMeta(o)
	r.meta(meta)
	once := onceSubjects + meta[metaID] + ".*"
	config := streamConfig{AllowAtomicPublish: true, AllowBatchPublish: s.l.streams(), StreamConfig: nats.StreamConfig{
		Name: stream, Subjects: []string{queueSubjects + escape(name) + ".*", once},
		SubjectTransform: &nats.SubjectTransformConfig{
			Source: once, Destination: queueSubjects + escape(name) + ".{{wildcard(1)}}",
		},
		Retention: nats.WorkQueuePolicy, Discard: nats.DiscardNew, MaxMsgs: int64(r.MaxMsg), MaxBytes: -1,
		MaxConsumers: -1, MaxMsgsPerSubject: -1, Replicas: r.Replicas, Duplicates: doubleWindow,
		Metadata: meta,
	}}
	var info streamInfo
	if err := s.l.call("STREAM.CREATE."+stream, config, &info); err != nil {
		return nil, backends.Attr{}, err
	}
	if err := s.l.call(s.l.consumerSubject(stream, 0)[len(api):], consumer(stream, name, 0, r), nil); err != nil {
		_ = s.l.call("STREAM.DELETE."+stream, nil, nil)
		return nil, backends.Attr{}, err
	}
	info.Config.Metadata = config.Metadata
	return s.open(name, &info, access, []uint32{0}), s.l.attr(&info), nil
}

// consumer is what the consumer of a priority is like.
func consumer(stream, name string, prio uint32, r QueueRules) any {
	return map[string]any{"stream_name": stream, "config": nats.ConsumerConfig{
		Durable: consumerOf(prio), Name: consumerOf(prio), FilterSubject: queueSubject(name, prio),
		AckPolicy: nats.AckExplicitPolicy, AckWait: r.Redeliver, MaxDeliver: -1, MaxAckPending: -1,
		MaxWaiting: maxWaiting, SampleFrequency: "100",
	}}
}

// maxWaiting is how many pulls may wait at a consumer, of all machines.
const maxWaiting = 4096

func (l *Link) consumerSubject(stream string, prio uint32) string {
	return api + "CONSUMER.CREATE." + stream + "." + consumerOf(prio)
}

// Open opens the very queue for access (O_RDONLY, O_WRONLY, O_RDWR). One that is judged is ESTALE if its
// owner or mode are not those that were seen.
func (s *Queues) Open(r backends.Ref, access int, judged bool) (*End, error) {
	info, err := s.at(r)
	if err != nil {
		return nil, err
	}
	if judged {
		if err := r.Judged(s.l.attr(info)); err != nil {
			return nil, err
		}
	}
	s.l.mu.Lock()
	q := s.l.queues[info.Config.Name]
	var prios []uint32
	if q != nil && q.id == idOf(info) {
		prios = q.prios
	}
	s.l.mu.Unlock()
	if prios == nil {
		if prios, err = s.prios(info, r.Path); err != nil {
			return nil, err
		}
	}
	return s.open(r.Path, info, access, prios), nil
}

// prios are the priorities that have a consumer. One at least has.
func (s *Queues) prios(info *streamInfo, name string) (list []uint32, err error) {
	stream := info.Config.Name
	var page struct {
		Consumers []string `json:"consumers"`
	}
	if err := s.l.call("CONSUMER.NAMES."+stream, nil, &page); err != nil {
		return nil, err
	}
	for _, c := range page.Consumers {
		if prio, ok := prioOf(c); ok {
			list = append(list, prio)
		}
	}
	if len(list) == 0 {
		list = append(list, 0)
		one := consumer(stream, name, 0, s.l.rulesOf(&info.Config))
		err = s.l.call(s.l.consumerSubject(stream, 0)[len(api):], one, nil)
	}
	return list, err
}

// open makes an end of a queue.
func (s *Queues) open(name string, info *streamInfo, access int, prios []uint32) *End {
	l := s.l
	l.mu.Lock()
	defer l.unlock()
	stream := info.Config.Name
	q := l.queues[stream]
	if q != nil && q.id != idOf(info) {
		q.gone()
		q = nil
	}
	if q == nil {
		q = &queue{l: l, name: name, stream: stream, id: idOf(info), to: sendsTo(info, name)}
		l.queues[stream] = q
	}
	for _, p := range prios {
		q.used(p)
	}
	q.learn(info)
	e := &end{q: q, reads: access != unix.O_WRONLY, writes: access != unix.O_RDONLY}
	q.ends = append(q.ends, e)
	return e
}

// QueueState is what there is to tell of a queue.
type QueueState struct {
	QueueRules
	Born           time.Time
	Messages       int // that wait
	Bytes          int64
	Sent, Received backends.Moved // through this daemon, since it first had the queue open
	Lent           int            // messages that somebody has, on all machines
	Ends           []backends.Waiter
	Prios          []uint32
}

// State tells of the very queue.
func (s *Queues) State(r backends.Ref) (QueueState, error) {
	info, err := s.at(r)
	if err != nil {
		return QueueState{}, err
	}
	state := QueueState{
		QueueRules: s.l.rulesOf(&info.Config), Born: info.Created, Messages: int(info.State.Msgs),
		Bytes: int64(info.State.Bytes),
	}
	prios, err := s.prios(info, r.Path)
	if err != nil {
		return QueueState{}, err
	}
	state.Prios = slices.Clone(prios)
	for _, p := range prios {
		var c nats.ConsumerInfo
		if err := s.l.call("CONSUMER.INFO."+info.Config.Name+"."+consumerOf(p), nil, &c); err != nil {
			return QueueState{}, err
		}
		state.Lent += c.NumAckPending
	}
	state.Messages -= state.Lent
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	if q := s.l.queues[info.Config.Name]; q != nil && q.id == idOf(info) {
		state.Sent, state.Received = q.sent, q.taken
		for _, e := range q.ends {
			state.Ends = append(state.Ends, e)
		}
	}
	return state, nil
}

// Set makes these the rules of the very queue. One that is made smaller loses nothing.
func (s *Queues) Set(r backends.Ref, rules QueueRules) error {
	info, err := s.at(r)
	if err != nil {
		return err
	}
	return s.l.update(info, func(config *streamConfig) {
		config.MaxMsgs = int64(rules.MaxMsg)
		config.Metadata[metaMsgSize] = strconv.Itoa(rules.MsgSize)
		config.Metadata[metaTries] = strconv.Itoa(rules.MaxTries)
	})
}
