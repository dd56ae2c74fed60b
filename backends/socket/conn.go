package socket

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// A Conn is one connection of a socket, of any family and type; the open file is the connection. It is an
// Endpoint. One that dials does so when it is first read or written, not when it is polled: there are
// programs that have every file polled that they open, and to make a socket is not to call it. It is ready
// to be written then, and for nothing until it is answered. Without a peer of its own it is a bound
// datagram socket: each message carries the address it comes from or goes to.
type Conn struct {
	s    *Maker
	stat func() (backends.Attr, error) // of the file it was opened through
	held *held                         // how it outlives this process
	backends.AtDesk

	mu     sync.RWMutex // held while fd is in use, which never blocks
	fd     int          // -1: not connected
	err    error        // why it is not, and never will be
	dial   dialler      // nil: it is connected, or never will be
	begun  bool         // dial was tried
	idle   func()       // wakes whoever waits for something before that
	made   bool         // it was connected
	closed func()       // called once by Close; may be nil
	src    *backends.Source
	typ    int // SOCK_STREAM, SOCK_SEQPACKET or SOCK_DGRAM
	unit   int // the longest message that can be sent; 0: a stream
	peer   Peer
	since  time.Time
	from   *Listener // that accepted it; nil: it was dialled
	asked  bool      // see LookedAt
	late   error     // what a read meets behind what is there to read

	moved *Counts // bytes received and sent; nil: it was never connected
}

// in are the bytes that it received, out those that it sent. The caller holds c.mu, and it is, or was,
// connected.
func (c *Conn) in() *atomic.Int64  { return c.moved.At(0) }
func (c *Conn) out() *atomic.Int64 { return c.moved.At(1) }

// Peer is who is at the other end.
type Peer struct {
	Pid      int // these of a Unix socket; zero otherwise
	Uid, Gid uint32
	Addr     string // HOST:PORT; empty for a Unix socket
}

// A dialler makes one connection and never blocks. Its methods are called one at a time.
type dialler interface {
	// try goes on; ErrWouldBlock: there is something to wait for. Once it has answered anything else,
	// nothing is called any more.
	try() (fd int, err error)
	// arm asks for one call of wake when try is worth calling again.
	arm(wake func())
	// stop gives up.
	stop()
}

// connected is called when fd is the connection.
func (c *Conn) connected(fd int, peer Peer) {
	c.fd, c.src, c.peer, c.since, c.dial, c.made = fd, c.s.poll.Watch(fd), peer, time.Now(), nil, true
	c.moved = c.held.counts()
	if c.held.Since != 0 { // an earlier process has it
		c.since = time.Unix(0, c.held.Since)
	}
	c.held.change(func(r *connRecord) { r.Made, r.Peer, r.Since = true, peer, c.since.UnixNano() })
	c.typ, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	family, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	switch {
	case c.typ == unix.SOCK_STREAM:
	case family == unix.AF_UNIX:
		sndbuf, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
		c.unit = min(max(sndbuf-32, 1), backends.MaxMessage) // unix_dgram_sendmsg, net/unix/af_unix.c
	default:
		c.unit = 1<<16 - 1 // the length field of UDP; the headers take a little of it
	}
}

// Connect makes the connection if there is none yet: ErrWouldBlock while it is not answered. One that could
// not be made stays so.
func (c *Conn) Connect() error {
	_, err := c.use()
	if err == nil {
		c.mu.RUnlock()
	}
	return err
}

// use is the descriptor of the connection. Unless there is an error, the caller calls c.mu.RUnlock when it
// is done with it.
func (c *Conn) use() (int, error) {
	for {
		c.mu.RLock()
		if c.dial == nil && c.err == nil {
			return c.fd, nil
		}
		err := c.err
		c.mu.RUnlock()
		if err == nil {
			err = c.goOn()
		}
		if err != nil {
			return -1, err
		}
	}
}

// goOn goes on dialling.
func (c *Conn) goOn() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dial == nil {
		return c.err
	}
	c.begun = true
	if c.idle != nil {
		c.s.poll.Soon(c.idle)
		c.idle = nil
	}
	fd, err := c.dial.try()
	switch err {
	case backends.ErrWouldBlock:
	case nil:
		c.connected(fd, peerOf(fd))
	default:
		c.dial, c.err = nil, err
		c.held.failed(err)
	}
	return err
}

// TryRead is recv(2): of a stream what there is, else one message. EMSGSIZE, and the message stays, if it
// is longer than p.
func (c *Conn) TryRead(p []byte) (n int, m backends.Meta, err error) { return c.receive(c.Desk, p) }

// receive is TryRead at a desk.
func (c *Conn) receive(d *backends.Desk, p []byte) (n int, m backends.Meta, err error) {
	if n, m, ok := d.Again(p); ok {
		m.From = fromRaw(d.From())
		c.countAgain(d, (*Conn).in, n)
		return n, m, nil
	}
	if d.Full() || d.FullOfAddresses() {
		return 0, m, backends.ErrWouldBlock
	}
	fd, err := c.use()
	if err != nil {
		return 0, m, err
	}
	defer c.mu.RUnlock()
	if c.typ != unix.SOCK_STREAM && nextLength(fd, len(p)) > len(p) {
		return 0, m, unix.EMSGSIZE
	}
	from := c.peer.Addr == "" && c.typ == unix.SOCK_DGRAM
	switch {
	case d.Has(p):
		if n, err = c.receiveAt(d, fd, p); err == nil && from {
			m.From = fromRaw(d.From())
		}
		if err == nil {
			d.Count(c.in(), int64(n))
		}
		n, err = again(n, err)
		return n, m, err
	case from:
		var sa unix.Sockaddr
		n, sa, err = unix.Recvfrom(fd, p, unix.MSG_DONTWAIT)
		m.From = sockaddrString(sa)
	default:
		n, err = unix.Read(fd, p)
	}
	n, err = again(n, err)
	c.in().Add(int64(n))
	return n, m, err
}

// receiveAt receives into a desk. Of a stream recvmmsg(2) tells an error before what came before it
// (net/socket.c, do_recvmmsg, Linux 6.18), and read(2) behind that.
func (c *Conn) receiveAt(d *backends.Desk, fd int, p []byte) (int, error) {
	n, err := d.Receive(fd, p)
	if c.typ != unix.SOCK_STREAM {
		return n, err
	}
	if err != nil && err != unix.EAGAIN {
		if queued, e := unix.IoctlGetInt(fd, unix.SIOCINQ); e == nil && queued > 0 {
			c.late = err
			n, err = d.Receive(fd, p)
		}
	}
	if c.late != nil && (err != nil || n == 0) {
		err, c.late = c.late, nil
	}
	return n, err
}

// TryWrite is send(2): EPIPE, and no signal, when the peer is gone. Without a peer the message goes where m
// says: EDESTADDRREQ if that is no address. ErrWouldBlock: there is no room, or the connection is being made.
func (c *Conn) TryWrite(p []byte, m backends.Meta) (int, error) { return c.send(c.Desk, p, m) }

// send is TryWrite at a desk.
func (c *Conn) send(d *backends.Desk, p []byte, m backends.Meta) (int, error) {
	if n, ok := d.SentAgain(); ok {
		c.countAgain(d, (*Conn).out, n)
		return n, nil
	}
	if d.Full() {
		return 0, backends.ErrWouldBlock
	}
	fd, err := c.use()
	if err != nil {
		return 0, err
	}
	defer c.mu.RUnlock()
	var to unix.Sockaddr
	if m.From != "" {
		if to, err = parseSockaddr(m.From, fd); err != nil {
			return 0, err
		}
	}
	var n int
	if d != nil {
		n, err = d.Send(fd, p, rawOf(to))
	} else {
		n, err = unix.SendmsgN(fd, p, nil, to, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	}
	if n, err = again(n, err); err == nil {
		d.Count(c.out(), int64(n))
	}
	return n, err
}

// countAgain counts what an earlier process moved, unless that did.
func (c *Conn) countAgain(d *backends.Desk, of func(*Conn) *atomic.Int64, n int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.moved != nil {
		d.Count(of(c), int64(n))
	}
}

func again(n int, err error) (int, error) {
	if n < 0 {
		n = 0
	}
	if err == unix.EAGAIN {
		err = backends.ErrWouldBlock
	}
	return n, err
}

// Unit is the longest message that can be sent, or that waits if that is longer; 0: a stream, or not
// connected yet.
func (c *Conn) Unit() int {
	fd, err := c.use()
	if err != nil {
		return 0
	}
	defer c.mu.RUnlock()
	if c.unit == 0 {
		return 0
	}
	return max(c.unit, nextLength(fd, c.unit))
}

// Ready is poll(2). A connection that cannot be made is ready to tell so.
func (c *Conn) Ready() backends.Ready {
	c.mu.RLock()
	idle := c.dial != nil && !c.begun
	c.mu.RUnlock()
	if idle {
		return backends.Out
	}
	fd, err := c.use()
	switch {
	case err == backends.ErrWouldBlock:
		return 0
	case err != nil:
		return backends.Err | backends.Hup | backends.RdHup | backends.In | backends.Out
	}
	defer c.mu.RUnlock()
	return backends.PollNow(fd, backends.In|backends.Out|backends.RdHup)
}

// Arm is Waiter.Arm. While the connection is being made it waits for that.
func (c *Conn) Arm(want backends.Ready, wake func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.dial != nil && !c.begun:
		if c.idle = wake; want&backends.Out != 0 {
			c.s.poll.Soon(wake)
		}
	case c.dial != nil:
		c.dial.arm(wake)
	case c.err != nil:
		c.s.poll.Soon(wake)
	default:
		c.src.Arm(want, wake)
	}
}

// Shutdown is shutdown(2): SHUT_WR lets the peer read to its end, SHUT_RD ends what we read.
func (c *Conn) Shutdown(how int) error {
	fd, err := c.use()
	if err != nil {
		return err
	}
	defer c.mu.RUnlock()
	return unix.Shutdown(fd, how)
}

// Local is our own address, HOST:PORT; empty for a Unix socket.
func (c *Conn) Local() string {
	fd, err := c.use()
	if err != nil {
		return ""
	}
	defer c.mu.RUnlock()
	return localOf(fd)
}

// Status is what there is to tell of a connection.
type Status struct {
	Peer    Peer
	Made    bool   // it is or was connected
	State   string // "idle": it has not begun to dial; "connecting"; "connected"; or why it is not
	In, Out int64  // bytes received and sent
	Since   time.Time
}

// Status tells of the connection as it is now. It goes on dialling, but does not begin to.
func (c *Conn) Status() Status {
	c.mu.RLock()
	dials := c.dial != nil && c.begun
	c.mu.RUnlock()
	if dials {
		_ = c.goOn() // the state says it
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := Status{Peer: c.peer, Made: c.made, State: "connected", Since: c.since}
	if c.moved != nil {
		s.In, s.Out = c.in().Load(), c.out().Load()
	}
	switch {
	case c.dial != nil && !c.begun:
		s.State = "idle"
	case c.dial != nil:
		s.State = "connecting"
	case c.err != nil:
		s.State = c.err.Error()
	}
	return s
}

// Stat is that of the socket's file.
func (c *Conn) Stat() (backends.Attr, error) { return c.stat() }

// Close is close(2) of the connection; the peer reads to its end. Whoever still uses it finds it removed.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.dial != nil {
		c.dial.stop()
	}
	fd, src, closed := c.fd, c.src, c.closed
	if c.dial == nil && fd < 0 {
		_ = c.held.end(-1)
	}
	unused := c.asked && c.from != nil && c.moved != nil && c.in().Load()+c.out().Load() == 0
	if c.moved != nil {
		c.moved.own()
	}
	c.fd, c.dial, c.closed = -1, nil, nil
	if c.err == nil {
		c.err = backends.ErrRemoved
	}
	c.mu.Unlock()
	if closed != nil {
		closed()
	}
	if fd < 0 {
		return nil
	}
	src.Forget()
	if unused && c.from.takeBack(call{fd, c.peer, c.held}) {
		return nil
	}
	return c.held.end(fd)
}
