// Package socket owns sockets: those that listen, on Unix addresses and on those of hosts, and connections,
// those that were accepted and those that dial.
//
// A Maker makes them. A Listener is accepted from, Datagrams are one socket that listens for messages, a
// Conn is one connection, and an Exchange asks and is answered on a connection after the other. Conn,
// Datagrams and Exchange are Endpoints; a Conn dials when it is first used. A Reach says which hosts of the
// network may be dialled and listened to.
//
// All is safe for concurrent use and no call waits: what a name service or a connect takes is waited for on
// workers. Errors are those of socket(7), ip(7) and unix(7), with backends.ErrWouldBlock, ErrReach for what
// is outside of the network that is lent, and ErrNoHost for a name that is not known. Package nodes calls
// it.
package socket

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// Maker makes sockets: those that listen, and connections to them and to others.
type Maker struct {
	Reach Reach // what of the network may be dialled and listened to

	poll *backends.Poller
	work *backends.Workers
	root Root
	last lasting

	mu sync.Mutex // of what last has of an earlier process
}

// Root is where the daemon's own tree is.
type Root struct {
	Path   string // of the mount point; empty: not known
	Device int    // the descriptor by which the kernel's requests come and are answered
	Apart  []int  // that, and others by which it is known whether the process lives
}

// Bounds of the workers that wait for others: name service, and a connect through the daemon's own tree.
const (
	maxWorkers    = 64
	maxWorkersUid = 16
)

// NewMaker makes a Maker for what reach allows.
func NewMaker(p *backends.Poller, reach Reach) *Maker {
	return &Maker{Reach: reach, poll: p, work: backends.NewWorkers(p, maxWorkers, maxWorkersUid)}
}

// Mounted tells where the tree is, before anybody can ask for something in it.
func (s *Maker) Mounted(at Root) { s.root = at }

// Close ends the connections that are being made.
func (s *Maker) Close() error { return s.work.Close() }

// Dial makes a connection to a host's address in the name of who calls. It dials when it is first used.
func (s *Maker) Dial(to Address, c Call) *Conn {
	return s.dialConn(c, func(h *held) dialler {
		return &hostDialler{s: s, held: h, to: to, who: c.Who, fd: h.left()}
	})
}

// DialBound makes a connection to the socket that a program bound in this tree, at path below its root, in
// the name of who calls: the kernel judges whether they may reach the socket and write to it. EOPNOTSUPP if
// it is not known where the tree is.
func (s *Maker) DialBound(path string, c Call) *Conn {
	return s.dialConn(c, func(h *held) dialler { return &boundDialler{s: s, held: h, path: path, who: c.Who} })
}

// Bind makes a datagram socket that listens at a, for its owner.
func (s *Maker) Bind(a Address, o backends.Owner, stat func() (backends.Attr, error)) (*Datagrams, error) {
	fds, err := s.bind(a, o)
	if err != nil {
		return nil, backends.Explain(err)
	}
	return s.datagrams(fds, stat), nil
}

func (s *Maker) datagrams(fds []int, stat func() (backends.Attr, error)) *Datagrams {
	d := &Datagrams{reach: s.Reach}
	for _, fd := range fds {
		d.all = append(d.all, s.newConn(&held{s: s, fd: -1}, fd, Peer{}, stat, nil))
	}
	return d
}

// freePorts is how many free ports of one loopback address are tried before one is found that is free at
// both.
const freePorts = 16

// bind is socket(2) and bind(2) of a host's address as its owner's doing: the low ports are root's (ip(7)).
// The loopback address is that of both families, with one port.
func (s *Maker) bind(a Address, o backends.Owner) (fds []int, err error) {
	own := a.own()
	for range freePorts {
		fds, err = nil, nil
		for _, at := range own {
			if len(fds) > 0 && a.Host == "*" {
				break // one socket takes both
			}
			if len(fds) > 0 {
				at = netip.AddrPortFrom(at.Addr(), portOf(fds[0]))
			}
			fd, e := s.bindOne(a.Type, at, o)
			if e == nil {
				fds = append(fds, fd)
				continue
			}
			if e == unix.EADDRINUSE {
				e = fmt.Errorf("%w: %s", e, at)
			}
			err = e
			if !errors.Is(e, unix.EAFNOSUPPORT) && !errors.Is(e, unix.EADDRNOTAVAIL) {
				closeAll(fds)
				fds = nil
				break // else that family is not here
			}
		}
		if len(fds) > 0 {
			return fds, nil
		}
		if a.Port != 0 || !errors.Is(err, unix.EADDRINUSE) {
			break
		}
	}
	return nil, err
}

func (s *Maker) bindOne(typ int, at netip.AddrPort, o backends.Owner) (fd int, err error) {
	if !s.Reach.may(at.Addr()) {
		return -1, s.Reach.refusal()
	}
	err = backends.As(o.Cred(), 0, func() (err error) {
		fd, err = bindHost(typ, at)
		return err
	})
	return fd, err
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

func bindHost(typ int, at netip.AddrPort) (int, error) {
	family, sa := sockaddr(at)
	fd, err := newSocket(family, typ)
	if err != nil {
		return -1, err
	}
	if typ == unix.SOCK_STREAM {
		// Old connections that linger must not keep a new daemon from listening (TIME_WAIT, socket(7)).
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	if family == unix.AF_INET6 && err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
	}
	if err == nil {
		err = unix.Bind(fd, sa)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
