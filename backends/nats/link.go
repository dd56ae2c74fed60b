package nats

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
)

// A Link is the connection of one attachment to its servers. It is made in the background and again whenever
// it breaks, for as long as the Link is open. Nothing of it blocks but the calls that say so: what is sent is
// left to a goroutine of the Link, as the library may dial or wait for a full socket under its lock, and one
// other goroutine takes all that arrives.
//
// What is asked is a question (question.go). What was sent and is not answered is sent again every
// againPeriod, on whatever connection there is: every question is such that this does no harm.
type Link struct {
	name string
	c    Config
	poll *backends.Poller
	log  *slog.Logger

	// To be set before anybody has something of it open:
	Groups *backends.Budget // that users have
	Heap   *backends.Budget // of messages that users have here and did not read, in bytes; nil: nobody counts

	began time.Time
	inbox string         // questions are answered at inbox.NUMBER, takes at inbox.tSLOT
	in    chan *nats.Msg // all that arrives
	out   outbox
	tried chan struct{} // is closed when there was a connection, or making it has failed once
	stop  chan struct{}
	idle  sync.WaitGroup

	mu        sync.Mutex
	conn      *nats.Conn // nil before the first connection was begun
	up        bool
	since     time.Time // it is up, or down
	why       error     // it is down; nil: it is not known yet
	last      uint64    // number that was given to a question
	questions map[uint64]*question
	slots     slots
	ticking   bool
	closed    bool
	queues    map[string]*queue // that somebody has open, by their streams
	leases    map[*Lease]struct{}
	shares    map[string]*share
	fates     fates                  // of the messages of all queues
	wakes     []func()               // to be called when mu is free
	heard     []func(*nats.Msg) bool // to be told of what answers no question
	healed    []func()               // to be called when there is a connection

	catalogues []*catalogue
	told       func(kind backends.EventKind, path string) // of what they hear; nil: nobody is
	counts     counts
	owners     owners // users,
	groups     owners // and groups
	rtt        time.Duration
	payload    int // bytes that the servers take in a message, headers included; 0: that is not known yet
}

// counts are what the status of an attachment tells.
type counts struct{ connects, again, duplicates int64 }

// The times of a Link.
const (
	flushLimit  = 4 * time.Second // then a server that takes nothing is given up
	againPeriod = 2 * time.Second // after which a question is asked again
	tickPeriod  = 250 * time.Millisecond
	rttPeriod   = 10 * time.Second
)

// arriving is how many messages may have arrived that were not looked at yet. More is never asked for.
const arriving = 1 << 16

// Open begins to connect. It does not block. The poller wakes those who wait and are woken by no answer.
func Open(name string, c Config, poll *backends.Poller, log *slog.Logger) *Link {
	l := &Link{
		name: name, c: c, poll: poll, log: log.With("attached", name),
		inbox: nats.NewInbox(), in: make(chan *nats.Msg, arriving), since: time.Now(), began: time.Now(),
		tried: make(chan struct{}), stop: make(chan struct{}),
		questions: map[uint64]*question{}, queues: map[string]*queue{}, leases: map[*Lease]struct{}{},
		shares: map[string]*share{}, Groups: NewGroups(),
	}
	l.out.more = sync.NewCond(&l.out.mu)
	l.idle.Go(l.connect)
	l.idle.Go(l.send)
	l.idle.Go(l.receive)
	l.idle.Go(l.measure)
	return l
}

// Close ends the connection, and waits for the goroutines of the link. Whoever waits for an answer is told
// that there is none.
func (l *Link) Close() error {
	l.mu.Lock()
	l.closed = true
	conn := l.conn
	l.down(errClosed)
	l.failAll(errClosed)
	l.unlock()
	close(l.stop)
	l.out.close()
	if conn != nil {
		conn.Close()
	}
	l.idle.Wait()
	return nil
}

// unlock frees l.mu and wakes those who are due.
func (l *Link) unlock() {
	wakes := l.wakes
	l.wakes = nil
	l.mu.Unlock()
	for _, wake := range wakes {
		wake()
	}
}

// leave is unlock for what is called from outside, where a gate may be locked: it leaves the calls that wake
// to the poller.
func (l *Link) leave() {
	wakes := l.wakes
	l.wakes = nil
	l.mu.Unlock()
	if len(wakes) > 0 {
		l.poll.Wake(wakes)
	}
}

// connect makes the connection, and again if the library gives it up for good.
func (l *Link) connect() {
	tried := sync.OnceFunc(func() { close(l.tried) })
	for {
		closed := make(chan struct{})
		conn, err := l.dial(closed)
		if err != nil {
			l.lost(err)
			tried()
			select {
			case <-time.After(againPeriod):
				continue
			case <-l.stop:
				return
			}
		}
		l.mu.Lock()
		l.conn = conn
		over := l.closed
		l.mu.Unlock()
		if over {
			conn.Close()
		}
		l.out.use(conn)
		if conn.IsConnected() {
			l.won(conn)
		}
		tried()
		select {
		case <-closed:
		case <-l.stop:
			return
		}
	}
}

// dial begins a connection. closed is closed when the library has given it up.
func (l *Link) dial(closed chan struct{}) (*nats.Conn, error) {
	o, err := l.c.Options()
	if err != nil {
		return nil, err
	}
	o.Name = "ipcfs " + l.name
	o.FlusherTimeout = flushLimit
	o.SkipSubjectValidation = true // all are made here
	o.ConnectedCB, o.ReconnectedCB = l.won, l.won
	o.DisconnectedErrCB = func(_ *nats.Conn, err error) { l.lost(err) }
	o.ReconnectErrCB = func(_ *nats.Conn, err error) { l.lost(err) }
	o.AsyncErrorCB = func(_ *nats.Conn, _ *nats.Subscription, err error) { l.complained(err) }
	o.ClosedCB = func(*nats.Conn) { close(closed) }
	conn, err := o.Connect()
	if err != nil {
		return nil, err
	}
	for _, subject := range append([]string{l.inbox + ".*", streamInbox(l.inbox) + ">", claimSubject}, advisories...) {
		if _, err := conn.ChanSubscribe(subject, l.in); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// won is called when there is a connection.
func (l *Link) won(conn *nats.Conn) {
	l.mu.Lock()
	defer l.unlock()
	if l.closed || l.up || !conn.IsConnected() {
		return
	}
	l.up, l.since, l.why, l.payload = true, time.Now(), nil, int(conn.MaxPayload())
	l.counts.connects++
	l.log.Info("connected", "server", conn.ConnectedUrlRedacted())
	l.again(time.Now(), true)
	for _, q := range l.queues {
		q.heal()
	}
	for lease := range l.leases {
		lease.hold()
	}
	for _, c := range l.catalogues {
		c.refresh()
	}
	l.wakes = append(l.wakes, l.healed...)
}

// lost is called when the connection is gone, or could not be made.
func (l *Link) lost(err error) {
	l.mu.Lock()
	defer l.unlock()
	if l.up {
		l.log.Warn("the connection is lost", "err", err)
	}
	l.down(err)
}

// down notes that there is no connection. What may not be asked twice ends now. The caller holds l.mu.
func (l *Link) down(err error) {
	if l.up || l.why == nil {
		l.since = time.Now()
	}
	if err == nil {
		err = errors.New("the server ended it")
	}
	l.up, l.why = false, err
	l.resetSlots()
	for n, q := range l.questions {
		if !q.keep {
			delete(l.questions, n)
			q.answer(nil, errDown)
		}
	}
	for _, q := range l.queues {
		q.lost()
	}
}

// failAll ends all questions, and the takes that have none just now but go on in a while. The caller holds
// l.mu.
func (l *Link) failAll(err error) {
	for n, q := range l.questions {
		delete(l.questions, n)
		q.answer(nil, err)
	}
	for _, q := range l.queues {
		for _, e := range q.ends {
			if t := e.in; t != nil && !t.over {
				t.finish(err)
			}
		}
	}
}

// complained is told what the server found wrong with what was sent, which gets no other answer.
func (l *Link) complained(err error) {
	l.log.Warn("the server refuses", "err", err)
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	l.mu.Lock()
	defer l.unlock()
	for n, q := range l.questions {
		if forbids(err.Error(), q.subject) {
			delete(l.questions, n)
			q.answer(nil, errForbidden)
		}
	}
}

// receive takes all that arrives.
func (l *Link) receive() {
	for {
		select {
		case m := <-l.in:
			l.mu.Lock()
			l.arrived(m)
			l.unlock()
		case <-l.stop:
			return
		}
	}
}

// measure measures the round trip now and then, for the status.
func (l *Link) measure() {
	tick := time.NewTicker(rttPeriod)
	defer tick.Stop()
	for {
		l.mu.Lock()
		conn := l.conn
		l.mu.Unlock()
		if conn != nil && conn.IsConnected() {
			if rtt, err := conn.RTT(); err == nil {
				l.mu.Lock()
				l.rtt = rtt
				l.mu.Unlock()
			}
		}
		select {
		case <-tick.C:
		case <-l.stop:
			return
		}
	}
}

// State is what there is to tell of a Link.
type State struct {
	Up        bool
	Since     time.Time
	Why       error // it is down
	Server    string
	Version   string
	Cluster   string
	RTT       time.Duration // 0: not measured yet
	MaxBytes  int64         // that a message may have, headers included
	Connects  int64
	Unsettled int   // questions that were sent and not answered
	Again     int64 // that were sent again
	Doubles   int64 // of those, messages that the server had already
	Servers   []string
	Open      int // queues that somebody has open here
	Leases    int // messages that are out on lease here
}

// State does not block.
func (l *Link) State() State {
	l.mu.Lock()
	s := State{
		Up: l.up, Since: l.since, Why: l.why, RTT: l.rtt, Connects: l.counts.connects,
		Unsettled: len(l.questions), Again: l.counts.again, Doubles: l.counts.duplicates,
		Servers: l.c.Servers, Open: len(l.queues), Leases: len(l.leases),
	}
	conn := l.conn
	l.mu.Unlock()
	if s.Up && conn != nil {
		s.Server, s.Version = conn.ConnectedUrlRedacted(), conn.ConnectedServerVersion()
		s.Cluster, s.MaxBytes = conn.ConnectedClusterName(), conn.MaxPayload()
	}
	if s.Why != nil {
		s.Why = l.c.Explain(s.Why)
	}
	return s
}

// Tried waits until there was a connection, or making it has failed once with all servers, until patience
// ends at most.
func (l *Link) Tried(patience <-chan time.Time) {
	select {
	case <-l.tried:
	case <-patience:
	}
}

// Await waits until there is a connection, for patience at most, and reports whether there is one.
func (l *Link) Await(patience time.Duration) bool {
	for end := time.Now().Add(patience); ; time.Sleep(awaitPeriod) {
		l.mu.Lock()
		up := l.up
		l.mu.Unlock()
		if up || time.Now().After(end) {
			return up
		}
	}
}

// awaitPeriod is how often Await looks.
const awaitPeriod = 5 * time.Millisecond
