package backends

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A Conn is one connection of a socket; the open file is the connection. It is an Endpoint: a stream, whose end is a read of 0
// bytes. A Conn that is to dial does so at once, or, if it is lazy, at its first use.
type Conn struct {
	stat func() (Attr, error) // of the file it was opened through

	mu   sync.Mutex
	fd   int // -1: not dialled yet
	err  error
	dial func() (int, error)
	src  *Source
	poll *Poller

	since   time.Time
	in, out atomic.Int64 // bytes
}

func newConn(p *Poller, fd int, stat func() (Attr, error)) *Conn {
	return &Conn{poll: p, fd: fd, src: p.Watch(fd), stat: stat, since: time.Now()}
}

func lazyConn(p *Poller, dial func() (int, error), stat func() (Attr, error)) *Conn {
	return &Conn{poll: p, fd: -1, dial: dial, stat: stat}
}

// connect makes the connection if there is none yet. A connection that could not be made stays so.
func (c *Conn) connect() (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 && c.err == nil {
		fd, err := c.dial()
		if err == ErrWouldBlock {
			return -1, err // the listener's backlog is full: try again later
		}
		if err != nil {
			c.err = err
		} else {
			c.fd, c.src, c.since = fd, c.poll.Watch(fd), time.Now()
		}
	}
	return c.fd, c.err
}

// TryRead is recv(2).
func (c *Conn) TryRead(p []byte) (int, Meta, error) {
	fd, err := c.connect()
	if err != nil {
		return 0, Meta{}, err
	}
	n, err := again(unix.Read(fd, p))
	c.in.Add(int64(n))
	return n, Meta{}, err
}

// TryWrite is send(2): EPIPE, and no signal, when the peer is gone.
func (c *Conn) TryWrite(p []byte, _ Meta) (int, error) {
	fd, err := c.connect()
	if err != nil {
		return 0, err
	}
	n, err := again(unix.SendmsgN(fd, p, nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT))
	c.out.Add(int64(n))
	return n, err
}

func again(n int, err error) (int, error) {
	if n < 0 {
		n = 0
	}
	if err == unix.EAGAIN {
		err = ErrWouldBlock
	}
	return n, err
}

// Unit is 0: a stream.
func (c *Conn) Unit() int { return 0 }

// Ready is poll(2). A connection that cannot be made is ready to tell so.
func (c *Conn) Ready() Ready {
	fd, err := c.connect()
	switch {
	case err == ErrWouldBlock:
		return 0
	case err != nil:
		return Err | Hup | In | Out
	}
	return pollNow(fd, In|Out|RdHup)
}

// Arm is Waiter.Arm.
func (c *Conn) Arm(want Ready, wake func()) {
	if _, err := c.connect(); err != nil {
		if err == ErrWouldBlock {
			// connect(2) of a Unix socket has no descriptor to poll for room in the backlog.
			time.AfterFunc(backlogRetry, wake)
			return
		}
		c.poll.Soon(wake)
		return
	}
	c.src.Arm(want, wake)
}

// backlogRetry is how often a dialler looks whether a full backlog has room again.
const backlogRetry = 10 * time.Millisecond

// Stat is that of the socket's file.
func (c *Conn) Stat() (Attr, error) { return c.stat() }

// Close is close(2) of the connection; the peer reads to its end.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return nil
	}
	c.src.Forget()
	return unix.Close(c.fd)
}
