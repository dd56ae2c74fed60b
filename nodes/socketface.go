package nodes

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// Open opens the face. Of a socket that listens, O_RDONLY accepts the next connection, anything else dials; of a host's address, all
// dials; of listening datagrams all gives those, as records. One that opens as touch does, or that has only just made the socket, dials
// when it first writes, so that making a socket is not a call to answer.
func (s *Sockets) Open(path string, flags int, by Caller) (Open, error) {
	a, err := s.Stat(path)
	if err != nil {
		return nil, err
	}
	to, ok := s.host(path)
	switch {
	case ok && to.Listens() && to.Type == syscall.SOCK_DGRAM:
		return s.datagrams(path, a, flags, by, NewRecords("from"))
	case flags&syscall.O_CREAT != 0 || flags&(syscall.O_NONBLOCK|accessMode) == syscall.O_NONBLOCK|writeOnly:
		return s.dialLater(path, a, flags, by)
	case writes(flags) || ok && !to.Listens():
		return s.dial(path, a, flags, by)
	}
	return s.accept(path, a, flags, by)
}

// statOf tells of a face for those who have it open, also when its name is gone. A face is a regular file, that of a bound socket too:
// the kernel gives up an inode whose type changes.
func (s *Sockets) statOf(path string, first Attr) func() (Attr, error) {
	return func() (Attr, error) {
		a, err := s.Stat(path)
		if err != nil || a.Ino != first.Ino {
			a = first
			a.Nlink = 0
		}
		a.Mode = a.Mode&07777 | syscall.S_IFREG
		return a, nil
	}
}

// listener is what the daemon keeps of a socket of its own. What could not be listened for when the daemon started is tried again.
func (s *Sockets) listener(path string, a Attr) (*socket, error) {
	s.names.Lock()
	defer s.names.Unlock()
	if one := s.find(a); one.listens() {
		return one, nil
	}
	if now, err := s.Stat(path); err != nil || now.Ino != a.Ino {
		return nil, syscall.ENOENT // the name is another socket's by now, which has a listener of its own
	}
	if err := s.again(path); err != nil {
		return nil, err
	}
	return s.find(a), nil
}

// accept opens the next connection of a socket that listens. With no room for a descriptor it says so and goes on waiting, unless it
// must not wait.
func (s *Sockets) accept(path string, a Attr, flags int, by Caller) (Open, error) {
	one, err := s.listener(path, a)
	if err != nil {
		return nil, s.explain("listen", path, err)
	}
	told := false
	try := func() (Open, error) {
		conn, err := s.link(a.Ino, "accept", by, func(closed func()) (*backends.Conn, error) {
			return one.listener.Accept(s.statOf(path, a), closed)
		})
		switch {
		case err == nil:
			return s.file(conn, path, flags, by), nil
		case errors.Is(err, backends.ErrDescriptors) && flags&syscall.O_NONBLOCK == 0:
			if !told {
				s.env.Notes.Note("sockets/"+path, s.explain("accept", path, err))
			}
			told = true // it is tried again and again, and other errors are to be seen too
			return nil, backends.ErrWouldBlock
		}
		return nil, s.explain("accept", path, err)
	}
	return &Pending{For: one.listener, Try: try}, nil
}

// dial opens a connection to the socket. A dialler that must not wait gets one that is still being made, unless a full backlog shows at
// once (EAGAIN, as connect(2) of a Unix socket).
func (s *Sockets) dial(path string, a Attr, flags int, by Caller) (Open, error) {
	nonblock := flags&syscall.O_NONBLOCK != 0
	conn, err := s.connection(path, a, by, by.cred(), !nonblock)
	if err != nil {
		return nil, s.explain("dial", path, err)
	}
	try := func() (Open, error) {
		if err := conn.Connect(); err != nil && !(nonblock && err == backends.ErrWouldBlock) {
			return nil, s.explain("dial", path, err)
		}
		return s.file(conn, path, flags, by), nil
	}
	return &Pending{For: conn, Try: try, Stop: func() bool { conn.Close(); return true }}, nil
}

// dialLater opens a connection that is dialled when it is first used.
func (s *Sockets) dialLater(path string, a Attr, flags int, by Caller) (Open, error) {
	conn, err := s.connection(path, a, by, by.cred(), true)
	if err != nil {
		return nil, s.explain("dial", path, err)
	}
	return s.file(conn, path, flags, by), nil
}

// connection makes a connection to whatever the object is, which dials at its first use.
func (s *Sockets) connection(path string, a Attr, by Caller, who backends.Cred, patient bool) (*backends.Conn, error) {
	stat := s.statOf(path, a)
	to, host := s.host(path)
	var one *socket
	if a.Type() == syscall.S_IFREG && (!host || to.Listens()) {
		var err error
		if one, err = s.listener(path, a); err != nil {
			return nil, err
		}
	}
	return s.link(a.Ino, "dial", by, func(closed func()) (*backends.Conn, error) {
		switch {
		case host:
			return s.back.Dial(to, who, stat, closed), nil
		case one == nil:
			return s.back.DialBound("sockets/"+path, who, stat, closed), nil
		}
		return one.listener.Dial(who, by.Pid, patient, stat, closed), nil
	})
}

// file is the open file of a connection.
func (s *Sockets) file(conn *backends.Conn, path string, flags int, by Caller) *File {
	return s.env.File(&socketFace{wrapped{&Plain{}}, path}, conn, flags, by)
}

// datagrams opens datagrams that listen, by one of their faces.
func (s *Sockets) datagrams(path string, a Attr, flags int, by Caller, face Face) (Open, error) {
	one, err := s.listener(path, a)
	if err != nil {
		return nil, s.explain("listen", path, err)
	}
	return s.env.File(&socketFace{wrapped{face}, path}, shared{one.datagrams}, flags, by), nil
}

// shared is an endpoint for all who open a socket, which outlives each of them.
type shared struct{ *backends.Datagrams }

// Close leaves it to others.
func (shared) Close() error { return nil }

// call opens a client that asks and is answered.
func (s *Sockets) call(path string, a Attr, flags int, by Caller) (Open, error) {
	who := by.cred()
	x := backends.NewExchange(s.env.Poll, s.statOf(path, a), func() (*backends.Conn, error) { return s.connection(path, a, by, who, true) })
	return s.env.File(&socketFace{wrapped{&Plain{}}, path}, x, flags, by), nil
}

// socketFace is any face of a socket: it explains what the socket refuses.
type socketFace struct {
	wrapped
	path string
}

// Put is that of the face.
func (f *socketFace) Put(end backends.Endpoint, p []byte) (int, error) {
	n, err := f.put(end, p, "sockets/"+f.path)
	var known *Error
	switch {
	case err == nil || err == backends.ErrWouldBlock || err == syscall.EPIPE || err == syscall.ECONNRESET:
		return n, err
	case errors.As(err, &known) && known.Errno == syscall.EINVAL:
		known.Advice += " (a datagram to this port itself is written to sockets/udp/HOST:PORT)"
	case err == syscall.EMSGSIZE:
		err = fmt.Errorf("%w: the socket takes messages of at most %d bytes", err, end.Unit())
	case err == syscall.EDESTADDRREQ:
		err = fmt.Errorf("%w: a datagram needs a header `from=ADDRESS:PORT len=N` to go there", err)
	}
	return n, advise("write", "sockets/"+f.path, Errno(err), err)
}
