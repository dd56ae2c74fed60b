package socket

import (
	"sync"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// An Exchange is a client that asks and is answered on one open file: what is written is a request, what is
// read then is its reply, to the end of that; what is written after it is the next request. With a stream a
// request is all that is written before reading begins, which shuts the sending side down; its reply ends
// where the server closes, and the next request has a connection of its own. With messages a request is one
// message, its reply one message, and the connection stays. It is an Endpoint.
type Exchange struct {
	poll *backends.Poller
	stat func() (backends.Attr, error)
	dial func(request uint64) (*Conn, error)

	mu   sync.Mutex
	conn *Conn  // nil: no request was written since the last reply ended
	shut bool   // of a stream: reading has begun
	owed int    // of messages: requests without a reply
	wake func() // wakes whoever waits for the end of a connection that is still to be made
	backends.AtDesk
}

// NewExchange makes an Exchange that gets its connections from dial, which dial at their first use. dial is
// told in which request that is.
func NewExchange(p *backends.Poller, stat func() (backends.Attr, error),
	dial func(request uint64) (*Conn, error)) *Exchange {
	return &Exchange{poll: p, stat: stat, dial: dial}
}

// drop closes the connection. The caller holds x.mu.
func (x *Exchange) drop() {
	if x.conn != nil {
		_ = x.conn.Close() // there is nobody to tell
	}
	x.conn, x.shut, x.owed = nil, false, 0
}

// TryWrite sends a request or more of it. What was not read of the reply before is dropped with its stream.
func (x *Exchange) TryWrite(p []byte, m backends.Meta) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.shut {
		x.drop()
	}
	if x.conn == nil {
		conn, err := x.dial(x.Desk.Unique())
		if err != nil {
			return 0, err
		}
		x.conn = conn
	}
	n, err := x.conn.send(x.Desk, p, m)
	switch {
	case err == nil:
		x.owed++
	case err != backends.ErrWouldBlock && err != unix.EMSGSIZE:
		x.drop()
	}
	if x.wake != nil && !x.idle() {
		x.poll.Soon(x.wake)
		x.wake = nil
	}
	return n, err
}

// TryRead receives of the reply; 0 is its end.
func (x *Exchange) TryRead(p []byte) (int, backends.Meta, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.idle() {
		return 0, backends.Meta{}, nil
	}
	lost := x.conn.Connect()
	if lost == backends.ErrWouldBlock {
		return 0, backends.Meta{}, lost
	}
	stream := x.conn.Unit() == 0
	if stream && lost == nil {
		x.shutdown()
	}
	n, m, err := x.conn.receive(x.Desk, p) // what an earlier process received last is at the desk
	switch {
	case err == backends.ErrWouldBlock || err == unix.EMSGSIZE || err != nil && lost != nil:
	case err != nil || n == 0:
		x.drop()
	case !stream:
		x.owed--
	}
	return n, m, err
}

// idle reports whether there is no reply to come. The caller holds x.mu.
func (x *Exchange) idle() bool { return x.conn == nil || x.owed == 0 && !x.shut && x.conn.Unit() > 0 }

// shutdown ends the request of a stream. The caller holds x.mu.
func (x *Exchange) shutdown() {
	if !x.shut {
		x.shut = true
		_ = x.conn.Shutdown(unix.SHUT_WR) // ENOTCONN: the peer is gone, which reading will tell
	}
}

// Unit is the longest request; 0: any.
func (x *Exchange) Unit() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.conn == nil {
		return 0
	}
	return x.conn.Unit()
}

// Ready is In when there is some of a reply, or none to come, and Out when a request can be written.
func (x *Exchange) Ready() backends.Ready {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.idle():
		return backends.In | backends.Out
	case x.shut:
		return x.conn.Ready()&^(backends.Hup|backends.RdHup) | backends.Out
	}
	return x.conn.Ready()
}

// Arm is Waiter.Arm. To wait for the reply of a stream alone is to begin to read. The end of a connection is that
// of its reply then, and who waits for neither of the two waits for the next connection.
func (x *Exchange) Arm(want backends.Ready, wake func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if idle := x.idle(); idle || x.shut && want&(backends.In|backends.Out) == 0 {
		if x.wake = wake; idle && want&(backends.In|backends.Out) != 0 {
			x.poll.Soon(wake)
		}
		return
	}
	if want&(backends.In|backends.Out) == backends.In && x.conn.Connect() == nil && x.conn.Unit() == 0 {
		x.shutdown()
	}
	x.conn.Arm(want, wake)
}

// Stat is that of the socket's file.
func (x *Exchange) Stat() (backends.Attr, error) { return x.stat() }

// Close drops the connection.
func (x *Exchange) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drop()
	return nil
}

// Shared is backends.Noter.Shared: nobody shares it.
func (x *Exchange) Shared() backends.Endpoint { return x }

// State is what it keeps for another process that goes on.
func (x *Exchange) State() (st State) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.conn != nil {
		st = x.conn.State()
	}
	st.Shut, st.Owed = x.shut, x.owed
	return st
}

// Resume has it go on from what another process kept, with the connection that had.
func (x *Exchange) Resume(conn *Conn, st State) {
	if !st.Dials {
		conn.ended()
	}
	conn.Resume(st)
	x.conn, x.shut, x.owed = conn, st.Shut, st.Owed
}

// Saved is called when State is written down: from then on its file has the connection.
func (x *Exchange) Saved() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.conn != nil {
		x.conn.Lives()
	}
}
