package socket

import (
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// How a connection begins, and goes on in another process.

// A Call is a connection that is to be dialled, or goes on: who calls, and for which file.
type Call struct {
	Who     backends.Cred
	Pid     int
	Request uint64                        // in which it is dialled; 0: none
	Number  uint64                        // by which it outlives this process; 0: it is new
	Stat    func() (backends.Attr, error) // of its file
	Closed  func()                        // is called once when it is closed; may be nil
}

func (s *Maker) newConn(h *held, fd int, peer Peer, stat func() (backends.Attr, error), closed func()) *Conn {
	c := &Conn{s: s, held: h, stat: stat, closed: closed}
	c.connected(fd, peer)
	return c
}

// dialConn is a connection that is dialled, if an earlier process has not done so.
func (s *Maker) dialConn(c Call, by func(*held) dialler) *Conn {
	h := s.hold(c)
	conn := &Conn{s: s, held: h, stat: c.Stat, closed: c.Closed, fd: -1, since: time.Now()}
	switch {
	case h.lost:
		conn.err = unix.ECONNRESET
	case h.Failed != 0:
		conn.err = unix.Errno(h.Failed)
	case h.Made:
		conn.connected(h.left(), h.Peer)
	default:
		conn.dial = by(h)
	}
	return conn
}

// Accepted is a connection that was accepted for a file which goes on.
func (s *Maker) Accepted(c Call) (*Conn, error) {
	h := s.hold(c)
	if !h.Made || h.lost {
		return nil, unix.ECONNRESET
	}
	return s.newConn(h, h.left(), h.Peer, c.Stat, c.Closed), nil
}

// Shared is backends.Noter.Shared: nobody shares it.
func (c *Conn) Shared() backends.Endpoint { return c }

// State is what a connection keeps for another process that goes on, beside its socket.
type State struct {
	Number uint64 // by which that is found; 0: there is none
	Taken  bool   // it was accepted
	Dials  bool   // it has begun to dial
	Late   int    // errno of the error behind what is there to read
	Shut   bool   // of an Exchange: what is asked was ended,
	Owed   int    // and so many answers are to come
}

// State is the connection's.
func (c *Conn) State() State {
	c.mu.RLock()
	defer c.mu.RUnlock()
	st := State{Number: c.held.number, Taken: c.held.Listener != 0, Dials: c.dial != nil && c.begun}
	if errno, ok := c.late.(unix.Errno); ok {
		st.Late = int(errno)
	}
	return st
}

// Resume has it go on from what another process kept.
func (c *Conn) Resume(st State) {
	if st.Late != 0 {
		c.late = unix.Errno(st.Late)
	}
	if st.Dials {
		_ = c.Connect()
	}
	c.Lives()
}

// ended has a connection not be made anew that was made, and that an earlier process has closed before it
// could say so.
func (c *Conn) ended() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dial != nil {
		c.dial.stop()
		c.dial, c.err = nil, unix.ECONNRESET
	}
}

// Lives is called when it is written down that a file has the connection.
func (c *Conn) Lives() { c.held.change(func(r *connRecord) { r.Owned = true }) }
