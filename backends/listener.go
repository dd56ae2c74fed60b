package backends

import "golang.org/x/sys/unix"

// A Listener is a listening AF_UNIX stream socket (unix(7)) that the daemon keeps. It is a Waiter: In when a connection waits.
type Listener struct {
	*Source
	poll *Poller
	path string
	fd   int
}

// Listen binds a socket at path, with the backlog the system allows. What a dead daemon left at path is replaced.
func Listen(p *Poller, path string, o Owner) (*Listener, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	l := &Listener{Source: p.Watch(fd), poll: p, path: path, fd: fd}
	// No call comes in before the mode is right: bind makes it 0700 of ours.
	_ = unix.Fchmod(fd, 0700)
	_ = unix.Unlink(path)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if err := l.Own(o); err != nil {
		l.Close()
		return nil, err
	}
	if err := unix.Listen(fd, unix.SOMAXCONN); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Own sets who may connect: connect(2) asks for write permission on the socket's node.
func (l *Listener) Own(o Owner) error {
	fd, err := unix.Open(l.path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return apply(fd, Change{Uid: &o.Uid, Gid: &o.Gid, Mode: &o.Mode})
}

// Path is where programs connect.
func (l *Listener) Path() string { return l.path }

// Accept is accept4(2): ErrWouldBlock if nobody calls.
func (l *Listener) Accept(stat func() (Attr, error)) (*Conn, error) {
	for {
		fd, _, err := unix.Accept4(l.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
			return newConn(l.poll, fd, stat), nil
		case unix.EAGAIN:
			return nil, ErrWouldBlock
		case unix.EINTR, unix.ECONNABORTED:
			continue
		case unix.EINVAL:
			return nil, ErrRemoved
		}
		return nil, err
	}
}

// Ready is In when a connection waits.
func (l *Listener) Ready() Ready { return pollNow(l.fd, In) }

// Close stops listening and removes the socket. Connections that were accepted go on; those in the backlog are reset.
func (l *Listener) Close() error {
	_ = unix.Unlink(l.path)
	l.Forget()
	return unix.Close(l.fd)
}

// Dial connects to the socket at path in the name of uid and gid: the server's SO_PEERCRED will be theirs. lazy puts it off until the connection is first used.
func Dial(p *Poller, path string, uid, gid uint32, lazy bool, stat func() (Attr, error)) (*Conn, error) {
	dial := func() (int, error) { return dialUnix(path, uid, gid) }
	if lazy {
		return lazyConn(p, dial, stat), nil
	}
	fd, err := dial()
	if err != nil {
		return nil, err
	}
	return newConn(p, fd, stat), nil
}

func dialUnix(path string, uid, gid uint32) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = asUser(uid, gid, func() error { return unix.Connect(fd, &unix.SockaddrUnix{Name: path}) })
	if err != nil {
		unix.Close(fd)
		if err == unix.EAGAIN {
			err = ErrWouldBlock // the backlog is full (unix(7))
		}
		return -1, err
	}
	return fd, nil
}
