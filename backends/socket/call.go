package socket

import (
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// call is a connection that was accepted.
type call struct {
	fd   int
	peer Peer
	held *held
}

// expect makes the record of the call that is accepted next: between that and the moment when it is kept
// nothing is done, as the peer would be reset if the process ended there. The caller holds l.mu.
func (l *Listener) expect() {
	if l.next == nil {
		l.next = l.s.hold(Call{})
		l.next.connRecord = connRecord{Listener: l.number, Made: true}
		l.next.announce()
	}
}

// accepted is a call that was just accepted. The caller holds l.mu.
func (l *Listener) accepted(fd int) call {
	h := l.next
	h.kept(fd)
	backends.Point("accepted")
	l.next = nil
	p := l.caller(fd)
	h.change(func(r *connRecord) { r.Peer, r.Since = p, time.Now().UnixNano() })
	return call{fd, p, h}
}

// acceptedConn is the connection of a call to l.
func acceptedConn(l *Listener, c call, stat func() (backends.Attr, error), closed func()) *Conn {
	conn := l.s.newConn(c.held, c.fd, c.peer, stat, closed)
	conn.from = l
	return conn
}

// LookedAt notes that the connection's file was opened to ask for its flags (lsattr(1)), which takes a call
// as any open does. If it is closed and nothing was sent or received, the call goes to the next who accepts,
// instead of being lost.
func (c *Conn) LookedAt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = true
}

// takeBack has the next Accept give a call that was accepted already; false if l is closed.
func (l *Listener) takeBack(c call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return false
	}
	c.held.change(func(r *connRecord) { r.Owned = false })
	l.back = append(l.back, c)
	l.Wake()
	return true
}

// nextBack is the first call that was given back. The caller holds l.mu.
func (l *Listener) nextBack() (call, bool) {
	if len(l.back) == 0 {
		return call{}, false
	}
	c := l.back[0]
	l.back = l.back[1:]
	return c, true
}

// hangUp ends the calls that were given back. The caller holds l.mu.
func (l *Listener) hangUp() {
	for _, c := range l.back {
		_ = c.held.end(c.fd)
	}
	l.back = nil
	if l.next != nil {
		_ = l.next.end(-1)
	}
}
