package natsd

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// A Link is a way to a server that can be cut: a proxy for TCP connections.
type Link struct {
	to string
	l  net.Listener
	wg sync.WaitGroup

	mu     sync.Mutex
	cond   sync.Cond // frozen or cut have changed
	frozen bool
	cut    bool
	conns  map[net.Conn]struct{}
}

// Link makes a link to a server, counted from 1.
func (c *Servers) Link(i int) (*Link, error) {
	at := c.host(100 + len(c.links))
	l, err := net.Listen("tcp", at+":4222")
	if err != nil {
		return nil, err
	}
	k := &Link{to: c.Addr(i), l: l, conns: map[net.Conn]struct{}{}}
	k.cond.L = &k.mu
	c.links = append(c.links, k)
	k.wg.Go(k.accept)
	return k, nil
}

// Addr is its HOST:PORT.
func (k *Link) Addr() string { return k.l.Addr().String() }

// Cut ends all connections and refuses new ones, as a machine without the server would.
func (k *Link) Cut() { k.set(func() { k.cut = true }) }

// Freeze has nothing go through any more, either way, and nobody is told: the cable is pulled.
func (k *Link) Freeze() { k.set(func() { k.frozen = true }) }

// Mend undoes Cut and Freeze. What was written to a frozen link goes through.
func (k *Link) Mend() { k.set(func() { k.cut, k.frozen = false, false }) }

func (k *Link) set(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
	if k.cut {
		for c := range k.conns {
			c.Close()
		}
	}
	k.cond.Broadcast()
}

// Close ends the link.
func (k *Link) Close() error {
	err := k.l.Close()
	k.set(func() { k.cut, k.frozen = true, false })
	k.wg.Wait()
	return err
}

func (k *Link) accept() {
	for {
		from, err := k.l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			k.wg.Go(func() { k.carry(from) })
		}
	}
}

// carry carries one connection.
func (k *Link) carry(from net.Conn) {
	to, err := k.dial(from)
	if err != nil {
		from.Close()
		return
	}
	k.wg.Go(func() { k.copy(from, to) })
	k.copy(to, from)
	k.mu.Lock()
	delete(k.conns, from)
	delete(k.conns, to)
	k.mu.Unlock()
}

func (k *Link) dial(from net.Conn) (net.Conn, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cut {
		return nil, fmt.Errorf("the link is cut")
	}
	to, err := net.Dial("tcp", k.to)
	if err == nil {
		k.conns[from], k.conns[to] = struct{}{}, struct{}{}
	}
	return to, err
}

// copy carries the bytes of one direction, and ends both with it.
func (k *Link) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		k.mu.Lock()
		for k.frozen {
			k.cond.Wait()
		}
		k.mu.Unlock()
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil && (err != io.EOF || n == 0) {
			return
		}
	}
}
