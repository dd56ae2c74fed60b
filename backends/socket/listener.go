package socket

import (
	"path"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// A Listener is a listening socket that the daemon keeps, of any family. It is a Waiter: In when a
// connection waits.
type Listener struct {
	*backends.Source
	s     *Maker
	addr  Address
	lasts lists         // how it outlives this process,
	other *Listener     // at the loopback address of the other family; nil: there is none
	turn  atomic.Uint32 // whose call is taken first

	mu      sync.Mutex
	fd      int    // -1: closed
	number  uint64 // by which it does; 0: it does not
	backlog int    // as it was asked for
	// peers that dialled through the daemon and are not accepted yet, in order: the kernel takes
	// the daemon for the caller
	dialled []waiter
	waiting []*ownDialler // those that found the backlog full, in order
	next    *held         // of the call that is accepted next
	back    []call        // those that were accepted and given back
	tired   bool          // accept(2) found no room for one more descriptor
}

// MaxBacklog is the backlog to ask for where nobody says: the system's limit (net.core.somaxconn) is below
// it.
const MaxBacklog = unix.SOMAXCONN

// Listen makes a listening socket at a, for its owner: at a path with the owner's mode, replacing what a
// dead daemon left there. backlog is how many may call before they are accepted (listen(2)). EADDRINUSE: the
// port is taken. EACCES: it is a low one, which only root may have (ip_unprivileged_port_start, ip(7)).
// ErrReach: the address is not lent.
func (s *Maker) Listen(a Address, o backends.Owner, backlog int) (*Listener, error) {
	if a.Path == "" {
		return s.listenHost(a, o, backlog)
	}
	fd, err := newSocket(unix.AF_UNIX, a.Type)
	if err != nil {
		return nil, backends.Explain(err)
	}
	// No call comes in before the mode is right: bind makes it 0700 of ours.
	_ = unix.Fchmod(fd, 0700)
	// Everybody is told the path of bind(2), in /proc/net/unix. Where the socket is then, only those may
	// know who can look at a.
	first := path.Join(path.Dir(a.Path), strconv.Itoa(fd))
	_ = unix.Unlink(first)
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: first})
	if err == nil {
		err = unix.Rename(first, a.Path)
	}
	if err != nil {
		_ = unix.Unlink(first)
		unix.Close(fd)
		return nil, err
	}
	l, err := s.listen(fd, a, backlog)
	if err != nil {
		return nil, err
	}
	if err := l.Own(o); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (s *Maker) listenHost(a Address, o backends.Owner, backlog int) (*Listener, error) {
	fds, err := s.bind(a, o)
	if err != nil {
		return nil, backends.Explain(err)
	}
	l, err := s.listen(fds[0], a, backlog)
	if err != nil {
		closeAll(fds[1:])
		return nil, err
	}
	if len(fds) > 1 {
		if l.other, err = s.listen(fds[1], a, backlog); err != nil {
			l.Close()
			return nil, err
		}
	}
	return l, nil
}

func (s *Maker) listen(fd int, a Address, backlog int) (*Listener, error) {
	l := s.listener(fd, a, backlog)
	if err := unix.Listen(fd, backlog); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (s *Maker) listener(fd int, a Address, backlog int) *Listener {
	return &Listener{Source: s.poll.Watch(fd), s: s, addr: a, fd: fd, backlog: backlog}
}

// Own sets who may connect to a Unix socket: connect(2) asks for write permission on its node.
func (l *Listener) Own(o backends.Owner) error {
	if l.addr.Path == "" {
		return nil
	}
	fd, err := unix.Open(l.addr.Path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return backends.Apply(fd, backends.Change{Uid: &o.Uid, Gid: &o.Gid, Mode: &o.Mode})
}

// Local is where it listens: HOST:PORT for each address, 127.0.0.1 before ::1; none for a Unix socket.
func (l *Listener) Local() (list []string) {
	for ; l != nil && l.addr.Path == ""; l = l.other {
		l.mu.Lock()
		list = append(list, localOf(l.fd))
		l.mu.Unlock()
	}
	return list
}

// Type is SOCK_STREAM or SOCK_SEQPACKET.
func (l *Listener) Type() int { return l.addr.Type }

// Backlog is how many may call before they are accepted, as it was asked for.
func (l *Listener) Backlog() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.backlog
}

// Calls is how many calls wait until they are accepted; known is false where the kernel does not tell.
func (l *Listener) Calls() (n int, known bool) {
	for known = true; l != nil && known; l = l.other {
		l.mu.Lock()
		here := 0
		if l.fd >= 0 {
			here, known = calling(l.fd)
		}
		n += here + len(l.back)
		l.mu.Unlock()
	}
	return n, known
}

// SetBacklog is listen(2) again, with another backlog. Diallers that found the old one full try again.
func (l *Listener) SetBacklog(n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return backends.ErrRemoved
	}
	err := unix.Listen(l.fd, n)
	if err == nil {
		l.backlog = n
	}
	if l.other != nil && err == nil {
		err = l.other.SetBacklog(n)
	}
	l.admit(len(l.waiting))
	return err
}

// acceptRetry is how long accepting rests after it found no room for a descriptor: the connection that
// waits keeps the socket readable, so there is nothing to wait for.
const acceptRetry = 100 * time.Millisecond

// Accept is accept4(2): ErrWouldBlock if nobody calls, ErrDescriptors if there is no room; then Arm's wake
// comes a while later.
func (l *Listener) Accept(stat func() (backends.Attr, error), closed func()) (*Conn, error) {
	if l.other == nil {
		return l.accept(stat, closed)
	}
	first, second := l, l.other
	if l.turn.Add(1)%2 == 0 {
		first, second = second, first
	}
	conn, err := first.accept(stat, closed)
	if err == backends.ErrWouldBlock {
		return second.accept(stat, closed)
	}
	return conn, err
}

func (l *Listener) accept(stat func() (backends.Attr, error), closed func()) (*Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.fd >= 0 {
		l.tired = false
		if c, ok := l.nextBack(); ok {
			return acceptedConn(l, c, stat, closed), nil
		}
		if backends.PollNow(l.fd, backends.In) == 0 {
			return nil, backends.ErrWouldBlock
		}
		fd, err := -1, backends.MayStay()
		if err == nil {
			l.expect()
			fd, _, err = unix.Accept4(l.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		}
		switch err {
		case nil:
			backends.Point("accepting")
			l.admit(1)
			return acceptedConn(l, l.accepted(fd), stat, closed), nil
		case unix.EAGAIN:
			return nil, backends.ErrWouldBlock
		case unix.EINTR, unix.ECONNABORTED, unix.EPROTO, unix.ENETDOWN, unix.ENETUNREACH, unix.EHOSTDOWN,
			unix.EHOSTUNREACH,
			unix.ENOPROTOOPT, unix.ENONET, unix.EOPNOTSUPP:
			continue // errors of a connection that is no more (accept(2))
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			l.tired = true
		}
		return nil, backends.Explain(err)
	}
	return nil, backends.ErrRemoved
}

// caller is the peer whose call was accepted as fd. For peers that dialled through the daemon the kernel
// names the daemon, but it accepts them in the order in which they dialled. The caller holds l.mu.
func (l *Listener) caller(fd int) Peer {
	p := peerOf(fd)
	if l.addr.Path != "" && len(l.dialled) > 0 && p.Pid == l.dialled[0].Daemon {
		p = l.dialled[0].Peer
		if l.number != 0 {
			l.s.last.ledger.Drop(&l.dialled[0].at)
		}
		l.dialled = l.dialled[1:]
	}
	return p
}

// Ready is In when a connection waits.
func (l *Listener) Ready() (ready backends.Ready) {
	for ; l != nil; l = l.other {
		l.mu.Lock()
		if l.fd < 0 {
			ready |= backends.Err | backends.Hup
		} else {
			ready |= backends.PollNow(l.fd, backends.In)
		}
		if len(l.back) > 0 {
			ready |= backends.In
		}
		l.mu.Unlock()
	}
	return ready
}

// Arm is Waiter.Arm.
func (l *Listener) Arm(want backends.Ready, wake func()) {
	if l.other != nil {
		l.other.Arm(want, wake)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tired {
		time.AfterFunc(acceptRetry, wake)
		return
	}
	l.Source.Arm(want, wake)
}

// Dial makes a connection to a listening Unix socket, in the name of who calls; it dials at its first use.
// Where that finds the backlog full, a patient dialler waits, one that is not gets EAGAIN (unix(7)).
func (l *Listener) Dial(c Call, patient bool) *Conn {
	return l.s.dialConn(c, func(h *held) dialler {
		return &ownDialler{l: l, held: h, fd: h.left(), who: c.Who, pid: c.Pid, patient: patient}
	})
}

// Close stops listening and removes the socket. Connections that were accepted go on; those that were not
// are reset.
func (l *Listener) Close() error {
	if l.other != nil {
		_ = l.other.Close()
	}
	l.mu.Lock()
	fd := l.fd
	l.fd = -1
	l.admit(len(l.waiting))
	l.hangUp()
	l.mu.Unlock()
	if fd < 0 {
		return nil
	}
	l.lasts.end()
	if l.addr.Path != "" {
		_ = unix.Unlink(l.addr.Path)
	}
	l.Forget()
	return unix.Close(fd)
}

// admit wakes n of those that found the backlog full. The caller holds l.mu.
func (l *Listener) admit(n int) {
	for _, d := range l.waiting[:min(n, len(l.waiting))] {
		d.woken = true
		if d.wake != nil {
			l.s.poll.Soon(d.wake)
		}
	}
	l.waiting = slices.Delete(l.waiting, 0, min(n, len(l.waiting)))
}
