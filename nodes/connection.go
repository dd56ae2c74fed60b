package nodes

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/socket"
)

// socketState is what the daemon keeps of one object of /sockets: what listens for it, if anything does,
// and the connections that were made through its faces.
type socketState struct {
	listener  *socket.Listener  // of a stream or of seqpackets
	name      string            // of a Unix socket: what it is called where it is bound
	datagrams *socket.Datagrams // of udp

	// Under Sockets.mu:
	payer payer
	links map[*link]bool
	last  int // id
	past  closedLinks
}

// closedLinks count the connections of a socket that were closed, by how they began, and their bytes. They
// outlive this process as long as something is kept of the socket.
type closedLinks struct{ *socket.Counts }

func (c closedLinks) accepted() *atomic.Int64 { return c.at(0) }
func (c closedLinks) dialled() *atomic.Int64  { return c.at(1) }
func (c closedLinks) in() *atomic.Int64       { return c.at(2) }
func (c closedLinks) out() *atomic.Int64      { return c.at(3) }

func (c closedLinks) at(i int) *atomic.Int64 {
	if c.Counts == nil {
		return new(atomic.Int64) // nothing is kept of the socket
	}
	return c.At(i)
}

// keep keeps what is known of an object. The caller holds s.mu, or is alone.
func (s *Sockets) keep(key socketKey, one *socketState) {
	if was := s.all[key]; was != nil {
		one.past = was.past
	} else {
		one.past = closedLinks{s.back.Counts(key.String())}
	}
	s.all[key] = one
}

// drop keeps it no more. The caller holds s.mu.
func (s *Sockets) drop(key socketKey) {
	if one := s.all[key]; one != nil {
		one.past.Drop()
		delete(s.all, key)
	}
}

// link is a connection that is open through a face.
type link struct {
	id   int    // among those of the socket
	end  string // "accept" or "dial"
	by   Caller // who opened the face
	conn *socket.Conn
	at   backends.Waiter // where those wait who use it
}

// port is the port of a socket that listens at a host's address.
func (one *socketState) port() uint16 {
	at, _ := netip.ParseAddrPort(one.addresses()[0])
	return at.Port()
}

// addresses are where it listens, HOST:PORT with literal hosts; none for a Unix socket.
func (one *socketState) addresses() List {
	if one.datagrams != nil {
		return one.datagrams.Local()
	}
	return one.listener.Local()
}

// typ is the type of the socket that listens.
func (one *socketState) typ() int {
	if one.datagrams != nil {
		return syscall.SOCK_DGRAM
	}
	return one.listener.Type()
}

// listens reports whether a socket listens for the object.
func (one *socketState) listens() bool {
	return one != nil && (one.listener != nil || one.datagrams != nil)
}

// close stops listening. Connections go on.
func (one *socketState) close() {
	if one.listener != nil {
		_ = one.listener.Close()
	}
	if one.datagrams != nil {
		_ = one.datagrams.Close()
	}
	one.payer.giveBack()
}

// link has begin make a connection, and keeps it in mind until it is closed: the connection is to call closed
// then. Those who use it wait at a Waiter; nil: at the connection.
func (e socketEntry) link(end string, by Caller, at backends.Waiter,
	begin func(closed func()) (*socket.Conn, error)) (*socket.Conn, error) {
	s, key := e.all, e.key()
	if by.again {
		s.env.Shares.Add(by.Uid, 1)
	} else if err := s.env.Shares.Take(by.Uid); err != nil {
		return nil, err
	}
	gone := false // so that nothing is kept of it, and nobody finds it
	if by.again {
		_, err := e.Stat(false)
		gone = backends.IsGone(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.all[key]
	if one == nil {
		one = &socketState{}
	}
	l := &link{end: end, by: by, at: at}
	conn, err := begin(func() { s.unlink(key, one, l) })
	if err != nil {
		s.env.Shares.Give(by.Uid)
		return nil, err
	}
	if s.all[key] != one && !gone {
		s.keep(key, one)
	}
	if one.links == nil {
		one.links = map[*link]bool{}
	}
	l.conn = conn
	if at == nil {
		l.at = conn
	}
	one.links[l] = true
	one.last++
	l.id = one.last
	return conn, nil
}

// unlink is called when a connection was closed.
func (s *Sockets) unlink(key socketKey, one *socketState, l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(one.links, l)
	var accepted, dialled int
	l.count(&accepted, &dialled)
	one.past.accepted().Add(int64(accepted))
	one.past.dialled().Add(int64(dialled))
	st := l.conn.Status()
	one.past.in().Add(st.In)
	one.past.out().Add(st.Out)
	s.env.Shares.Give(l.by.Uid)
	if len(one.links) == 0 && !one.listens() && s.all[key] == one {
		s.drop(key)
	}
}

// count adds a connection to those that were accepted or dialled, if it was.
func (l *link) count(accepted, dialled *int) {
	switch {
	case l.end == "accept":
		*accepted++
	case l.conn.Status().Made:
		*dialled++
	}
}

// sorted are the connections of a socket, the oldest first. The caller holds s.mu.
func (one *socketState) sorted() []*link {
	return slices.SortedFunc(maps.Keys(one.links), func(a, b *link) int { return cmp.Compare(a.id, b.id) })
}

// maxListed is how many connections status shows; peer shows them all.
const maxListed = 64

// facts are what status says of a socket and its connections.
func (s *Sockets) facts(one *socketState) []Fact {
	facts, links := s.linked(one)
	return append(facts, s.waits(one, links)...)
}

// linked are the connections of a socket, and what status says of them.
func (s *Sockets) linked(one *socketState) ([]Fact, []*link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	links := one.sorted()
	accepted, dialled := int(one.past.accepted().Load()), int(one.past.dialled().Load())
	in, out := one.past.in().Load(), one.past.out().Load()
	for _, l := range links {
		l.count(&accepted, &dialled)
		st := l.conn.Status()
		in, out = in+st.In, out+st.Out
	}
	if one.datagrams != nil {
		there, sent := one.datagrams.Moved()
		in, out = in+there, out+sent
	}
	facts := []Fact{{"accepted", Count(accepted)}, {"dialled", Count(dialled)}, {"sent_bytes", Count(out)},
		{"received_bytes", Count(in)}, {"connections", len(links)}}
	var rows Rows
	for _, l := range links[:min(len(links), maxListed)] {
		rows = append(rows, l.facts())
	}
	return append(facts, Fact{"connection", rows}), links
}

// waits are the facts about those who wait for a call, and for what comes or goes over a connection. An open
// that dials counts as a writer's. The caller does not hold s.mu: those who wait are counted under the lock
// of their gate, under which calls are taken.
func (s *Sockets) waits(one *socketState, links []*link) []Fact {
	count := s.env.counter()
	if count == nil {
		return nil
	}
	var sides Sides
	var who []Wait
	add := func(w Waiting) {
		sides.add(w.Parked)
		sides.add(w.Polling)
		who = append(who, w.Who...)
	}
	switch {
	case one.listener != nil:
		add(count(one.listener))
	case one.datagrams != nil:
		add(count(one.datagrams))
	}
	for _, l := range links {
		w := count(l.at)
		if l.end == "dial" {
			w.dials()
		}
		add(w)
	}
	return []Fact{{"waiting_readers", sides.Readers}, {"waiting_writers", sides.Writers}, waits(who)}
}

// dials has those who wait in an open, which ends when a connection is there, count as writers.
func (w *Waiting) dials() {
	for i := range w.Who {
		if one := &w.Who[i]; one.In == "open" && one.Side == backends.In {
			one.Side = backends.Out
			w.Parked.Readers--
			w.Parked.Writers++
		}
	}
}

// facts tell of one connection. pid, uid and gid are the peer's, if it is one of this machine's; the others
// are those of the face.
func (l *link) facts() []Fact {
	st := l.conn.Status()
	facts := []Fact{{"id", Label(l.id)}, {"end", l.end}, {"state", strings.ReplaceAll(st.State, " ", "_")}}
	if st.Peer.Addr != "" {
		facts = append(facts, Fact{"peer", Literal(st.Peer.Addr)})
	} else {
		facts = append(facts, Fact{"pid", Label(st.Peer.Pid)},
			Fact{"uid", Label(st.Peer.Uid)}, Fact{"gid", Label(st.Peer.Gid)})
	}
	return append(facts, Fact{"opener", Label(l.by.Pid)}, Fact{"opener_uid", Label(l.by.Uid)},
		Fact{"in", Count(st.In)}, Fact{"out", Count(st.Out)},
		Fact{"since", st.Since.Format(time.RFC3339)})
}

// peers is the text of the peer file: a line for each connection, as its row in status.
func (s *Sockets) peers(one *socketState) string {
	if one == nil {
		return "" // nobody has connected through a face
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, l := range one.sorted() {
		b.WriteString(words(l.facts()) + "\n")
	}
	return b.String()
}
