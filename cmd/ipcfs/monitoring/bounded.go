package monitoring

import (
	"container/list"
	"net"
	"sync"
)

// bounded is a listener that holds so many connections at most: beyond that the oldest is closed, so that
// those who connect and say nothing keep nobody out.
type bounded struct {
	net.Listener
	mu  sync.Mutex
	all list.List // of *connection, the oldest first
}

func newBounded(l net.Listener) *bounded { return &bounded{Listener: l} }

// Accept is net.Listener's.
func (b *bounded) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all.Len() >= maxConnections {
		oldest := b.all.Remove(b.all.Front()).(*connection)
		oldest.at = nil
		_ = oldest.Conn.Close()
	}
	one := &connection{Conn: c, of: b}
	one.at = b.all.PushBack(one)
	return one, nil
}

// connection is one that counts.
type connection struct {
	net.Conn
	of *bounded
	at *list.Element // nil: it counts no more; under of.mu
}

// Close is net.Conn's.
func (c *connection) Close() error {
	c.of.mu.Lock()
	if c.at != nil {
		c.of.all.Remove(c.at)
		c.at = nil
	}
	c.of.mu.Unlock()
	return c.Conn.Close()
}
