package nats

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// A topic is one that somebody here has open. Its feed has all messages in order: those that come live, and
// those that were missed and are kept, which are asked for one by one. Link.mu guards it.
type topic struct {
	t            *Topics
	path, stream string
	id           backends.ID
	attr         backends.Attr
	rules        TopicRules
	removed      bool
	checks       bool // whether it is still there is being asked

	ends    map[*TopicEnd]struct{}
	groups  map[string]*group // that have members here
	clears  int               // that have no answer
	cleared []func()

	follows int    // how many need the feed, or wait for it
	listens int    // ends that count as readers
	feed    Feed   // nil: nobody reads it, or it is not known yet from which message on
	seq     uint64 // the feed had all up to this number
	next    uint64 // what is to be asked for goes on here,
	want    uint64 // and ends here
	asked   int
	ahead   map[uint64]*arrival
	held    int // bytes of those
	waits   []wait
}

// An arrival is a message that is here, or is known not to come.
type arrival struct {
	gone bool
	data []byte
	void string // headClear
	at   time.Time
}

// wait is somebody who waits until the feed had all up to a number.
type wait struct {
	seq  uint64
	told func(error)
}

const (
	// headClear is the header of a message that takes back the retained value, or (all) the kept ones, too.
	headClear  = "Ipcfs-Clear"
	clearValue = "value"
	clearAll   = "all"

	// maxFetched is how many messages of a topic are asked for at a time.
	maxFetched = 64
	// settlePeriod is how long servers of a cluster may take to tell each other that somebody listens.
	settlePeriod = time.Second
)

// readerSubjects are where those ask who publish to readers only, and daemons with readers answer.
const readerSubjects = "ipcfs.r."

// listen has what is published sent here.
func (o *topic) listen() {
	o.t.l.out.send(parcel{Msg: nats.Msg{Subject: topicSubject(liveSubjects, o.path)}, listen: true})
}

// counts tells the servers that there is a reader, who was the first, or that the last is gone.
func (o *topic) counts(n int) {
	was := o.listens > 0
	o.listens += n
	if is := o.listens > 0; is != was {
		o.t.l.out.send(parcel{Msg: nats.Msg{Subject: topicSubject(readerSubjects, o.path)}, listen: is, leave: was})
	}
}

// follow is called when somebody needs the feed, and unfollow when no more.
func (o *topic) follow() {
	if o.follows++; o.follows == 1 {
		o.listen()
	}
}

func (o *topic) unfollow() {
	if o.follows--; o.follows > 0 {
		return
	}
	o.t.l.out.send(parcel{Msg: nats.Msg{Subject: topicSubject(liveSubjects, o.path)}, leave: true})
	if o.feed != nil && !o.removed {
		o.feed.End(false)
	}
	o.feed, o.ahead, o.held, o.want, o.next = nil, nil, 0, 0, 0
	o.forget()
}

// forget drops a topic that nobody has open.
func (o *topic) forget() {
	if len(o.ends) == 0 && o.follows == 0 && o.clears == 0 && o.t.open[o.stream] == o {
		delete(o.t.open, o.stream)
	}
}

// sync has the feed get all that the stream has.
func (o *topic) sync(state *nats.StreamState) {
	first, last := state.FirstSeq, state.LastSeq
	if state.Msgs == 0 {
		first = last + 1
	}
	if kept := uint64(max(o.rules.Keep, 1)); last >= kept {
		first = max(first, last-kept+1) // there may be more for groups
	}
	if o.feed == nil {
		o.seq, o.asked, o.held, o.ahead = first-1, 0, 0, map[uint64]*arrival{}
		o.next, o.want = first, 0
		o.feed = o.t.feeds.Feed(o.path, o.attr, o.rules, o.seq)
	}
	o.need(first, last)
}

// need asks for messages that did not come, as far as they are kept from first on.
func (o *topic) need(first, last uint64) {
	if first > o.seq+1 {
		o.miss(first - 1)
	}
	o.next, o.want = max(o.next, o.seq+1), max(o.want, last)
	o.fetch()
	o.drain()
}

// miss gives up the messages up to a number that have not come.
func (o *topic) miss(seq uint64) {
	for _, n := range slices.Sorted(maps.Keys(o.ahead)) {
		if n <= seq {
			o.give(n, o.ahead[n])
		}
	}
	if seq > o.seq {
		o.seq = seq
		o.feed.Miss(seq)
	}
}

// fetch asks for what is to be asked for, so many at a time.
func (o *topic) fetch() {
	for o.asked < maxFetched && o.next <= o.want {
		n := o.next
		o.next++
		if n <= o.seq || o.ahead[n] != nil {
			continue
		}
		feed := o.feed
		err := o.t.l.ask(&question{
			subject: api + "STREAM.MSG.GET." + o.stream, body: encode(map[string]uint64{"seq": n}),
			keep: true, patient: true, doubt: o.check,
			answer: func(m *nats.Msg, err error) {
				if o.feed != feed || o.removed {
					return // it is another feed by now
				}
				o.asked--
				if err == errTimeout {
					o.miss(o.want) // nobody is to wait for each of them
				}
				o.arrive(n, fetched(m, err))
				o.fetch()
				o.drain()
			},
		}, o.t.l.c.Timeout)
		if err != nil {
			return // the link is closed
		}
		o.asked++
	}
}

// fetched is the answer to STREAM.MSG.GET.
func fetched(m *nats.Msg, err error) *arrival {
	var got struct {
		Message struct {
			Hdrs []byte    `json:"hdrs"`
			Data []byte    `json:"data"`
			Time time.Time `json:"time"`
		} `json:"message"`
	}
	if err == nil {
		if err = decode(m.Data, nil); err == nil {
			err = json.Unmarshal(m.Data, &got)
		}
	}
	if err != nil {
		return &arrival{gone: true}
	}
	a := &arrival{data: got.Message.Data, at: got.Message.Time}
	if head, err := nats.DecodeHeadersMsg(got.Message.Hdrs); err == nil {
		a.void = head.Get(headClear)
	}
	return a
}

// arrive keeps a message until its turn has come.
func (o *topic) arrive(n uint64, a *arrival) {
	if n > o.seq && o.ahead[n] == nil {
		o.ahead[n] = a
		o.held += len(a.data)
	}
}

// drain gives the feed what is next.
func (o *topic) drain() {
	for a := o.ahead[o.seq+1]; a != nil; a = o.ahead[o.seq+1] {
		o.give(o.seq+1, a)
	}
	waits := o.waits
	o.waits = nil
	for _, w := range waits {
		if o.seq >= w.seq {
			w.told(nil)
		} else {
			o.waits = append(o.waits, w)
		}
	}
}

func (o *topic) give(n uint64, a *arrival) {
	delete(o.ahead, n)
	o.held -= len(a.data)
	o.seq = n
	switch {
	case a.gone:
		o.feed.Miss(n)
	case a.void != "":
		o.feed.Void(n, a.void == clearAll)
	default:
		o.feed.Give(n, a.data, a.at)
	}
}

// live takes a message that was just published. Those before it that did not come are asked for, as far as
// they can still be kept.
func (o *topic) live(n uint64, a *arrival) {
	if o.feed == nil || n <= o.seq {
		return // those who wait for the feed ask for what there is
	}
	o.arrive(n, a)
	if kept := uint64(max(o.rules.Keep, 1)); n > kept && n-kept > o.seq {
		o.miss(n - kept)
	}
	for o.held > max(o.rules.Bytes, backends.MaxMessage) { // what lacks takes too long
		low := n
		for at := range o.ahead {
			low = min(low, at)
		}
		o.miss(low)
		o.drain()
	}
	if n > o.seq+1 {
		o.need(o.seq+1, n-1)
	}
	o.drain()
}

// check asks whether the topic is still there, and how it is.
func (o *topic) check() {
	if o.checks || o.removed {
		return
	}
	subject := api + "STREAM.INFO." + o.stream
	err := o.t.l.ask(&question{subject: subject, patient: true, answer: func(m *nats.Msg, err error) {
		o.checks = false
		info := &streamInfo{}
		if err == nil {
			err = decode(m.Data, info)
		}
		switch {
		case o.removed:
		case errors.Is(err, unix.ENOENT), err == nil && idOf(info) != o.id:
			o.gone()
		case err == nil:
			o.learn(o.attr, topicRules(&info.Config))
			if o.feed != nil {
				o.sync(&info.State)
			}
		case err != errDown: // then it is asked about when there is a connection again
			o.t.l.later(func() {
				if o.t.open[o.stream] == o {
					o.check()
				}
			})
		}
	}}, o.t.l.c.Timeout)
	o.checks = err == nil
}

// learn takes up how the topic is now.
func (o *topic) learn(a backends.Attr, r TopicRules) {
	if a == o.attr && r == o.rules {
		return
	}
	o.attr, o.rules = a, r
	if o.feed != nil {
		o.feed.Become(a, r)
	}
}

// gone is called when the topic was removed.
func (o *topic) gone() {
	if o.removed {
		return
	}
	o.removed = true
	if o.t.open[o.stream] == o {
		delete(o.t.open, o.stream)
	}
	if o.feed != nil {
		o.feed.End(true)
	}
	for _, g := range o.groups {
		g.q.gone()
	}
	for _, w := range o.waits {
		w.told(unix.ESTALE)
	}
	o.waits = nil
	for e := range o.ends {
		if e.out != nil && !e.out.over {
			e.out.finish(backends.ErrRemoved)
		}
		e.fire()
	}
}

// seqOf is the number of a message that the server has repeated; 0: it is none.
func seqOf(m *nats.Msg) uint64 {
	n, _ := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	return n
}

// arrivalOf is such a message.
func arrivalOf(m *nats.Msg) *arrival {
	return &arrival{data: m.Data, void: m.Header.Get(headClear), at: time.Now()}
}
