package socket

import "golang.org/x/sys/unix"

// DialGone goes on with a connection to a socket whose name is gone: an earlier process has dialled it, or
// nobody does any more.
func (s *Maker) DialGone(c Call) *Conn {
	return s.dialConn(c, func(h *held) dialler { return goneDialler{h} })
}

// goneDialler finds what an earlier process has dialled.
type goneDialler struct{ held *held }

// try is dialler.try.
func (d goneDialler) try() (int, error) {
	fd := d.held.left()
	if fd >= 0 && dialledBefore(fd) {
		return fd, nil
	}
	_ = d.held.end(fd)
	return -1, unix.ECONNREFUSED
}

// arm is dialler.arm: there is nothing to wait for.
func (goneDialler) arm(func()) {}

// stop is dialler.stop.
func (d goneDialler) stop() { _ = d.held.end(d.held.left()) }
