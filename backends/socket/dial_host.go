package socket

import (
	"cmp"
	"context"
	"net/netip"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// hostDialler dials a host: it looks the name up on a worker and tries one address after the other, each by
// a connect(2) that goes on by itself.
type hostDialler struct {
	s    *Maker
	held *held
	to   Address
	who  backends.Cred

	look  *backends.Task // the name service is asked
	found *lookup
	next  []netip.Addr // to be tried
	begun bool

	fd   int  // connects; -1: none does
	left bool // it is an earlier process's: if it fails, dialling begins anew
	src  *backends.Source
	last error // why the address before failed
}

// lookup is what a worker found.
type lookup struct {
	addrs []netip.Addr
	err   error
}

// try is dialler.try.
func (d *hostDialler) try() (int, error) {
	if !d.begun {
		d.begun = true
		if d.left = d.fd >= 0; d.left {
			d.src = d.s.poll.Watch(d.fd)
		} else if err := d.begin(); err != nil {
			return -1, err
		}
	}
	if d.look != nil {
		if !d.look.Done() {
			return -1, backends.ErrWouldBlock
		}
		d.look, d.next = nil, d.found.addrs
		if d.found.err != nil {
			return -1, d.found.err
		}
	}
	for {
		if d.fd >= 0 {
			if backends.PollNow(d.fd, backends.Out) == 0 {
				return -1, backends.ErrWouldBlock
			}
			if d.last = connectError(d.fd); d.last == nil && !d.toItself() && (!d.left || dialledBefore(d.fd)) {
				d.src.Forget()
				return d.fd, nil
			}
			d.stop()
			if d.left {
				d.left = false
				if err := d.begin(); err != nil || d.look != nil {
					return -1, cmp.Or(err, backends.ErrWouldBlock)
				}
			}
		}
		if len(d.next) == 0 {
			return -1, backends.Explain(d.last)
		}
		addr := d.next[0]
		d.next = d.next[1:]
		d.last = backends.As(d.who, 0, func() error { return d.connect(netip.AddrPortFrom(addr, d.to.Port)) })
		if d.last != nil && d.last != unix.EINPROGRESS {
			d.stop()
		}
	}
}

// begin finds the addresses, or has them looked up.
func (d *hostDialler) begin() error {
	host := d.to.Host
	if d.to.Listens() {
		host = loopback4.String() // a listener of ours, wherever it listens
	}
	addr, known, err := d.s.Reach.literal(host)
	if known {
		d.next = []netip.Addr{addr}
		return err
	}
	d.found = &lookup{err: unix.ECANCELED}
	found, reach, to := d.found, d.s.Reach, d.to
	d.look = d.s.work.Go(d.who.Uid, func(ctx context.Context) {
		if found.addrs, found.err = reach.lookup(ctx, host); to.Type == unix.SOCK_DGRAM {
			found.addrs = heardFirst(found.addrs, to.Port)
		}
	})
	return nil
}

// connect begins a connection to one address: EINPROGRESS, or nil if it is there already.
func (d *hostDialler) connect(to netip.AddrPort) (err error) {
	family, sa := sockaddr(to)
	if d.fd, err = newSocket(family, d.to.Type); err != nil {
		return err
	}
	d.held.keep(d.fd)
	d.src = d.s.poll.Watch(d.fd)
	if d.to.Type == unix.SOCK_STREAM {
		// What one write brings goes out at once, and a peer that fell silent is found out in the end
		// (tcp(7)).
		_ = unix.SetsockoptInt(d.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		_ = unix.SetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	}
	err = unix.Connect(d.fd, sa)
	backends.Point("dialled")
	return err
}

// connectError is how a connect(2) ended.
func connectError(fd int) error {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && n != 0 {
		err = unix.Errno(n)
	}
	return err
}

// toItself reports whether the connection leads to the socket that dialled: TCP lets two diallers meet
// without a listener, and where nobody listens at a port of the range that diallers get theirs from, the
// two can be one (RFC 9293, 3.5).
func (d *hostDialler) toItself() bool {
	if d.to.Type != unix.SOCK_STREAM {
		return false
	}
	ours, err1 := unix.Getsockname(d.fd)
	theirs, err2 := unix.Getpeername(d.fd)
	if err1 != nil || err2 != nil || sockaddrString(ours) != sockaddrString(theirs) {
		return false
	}
	d.last = unix.ECONNREFUSED
	return true
}

// arm is dialler.arm.
func (d *hostDialler) arm(wake func()) {
	switch {
	case d.look != nil:
		d.look.Arm(backends.In, wake)
	case d.fd >= 0:
		d.src.Arm(backends.Out, wake)
	default:
		d.s.poll.Soon(wake)
	}
}

// stop is dialler.stop.
func (d *hostDialler) stop() {
	if d.look != nil {
		d.look.Abandon(func() {})
		d.look = nil
	}
	if d.fd < 0 {
		return
	}
	if d.src != nil { // nobody used one that an earlier process left
		d.src.Forget()
	}
	_ = d.held.end(d.fd)
	d.fd = -1
}
