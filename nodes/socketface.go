package nodes

import (
	"errors"
	"fmt"
	"path"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/socket"
)

// Open opens the face. At a socket that listens, O_RDONLY accepts the next connection, and anything else
// dials. At a host's address all opens dial. At datagrams that are listened for all opens give those, as
// records. An open as touch makes it, or the one that has just made the socket, dials at its first write:
// to make a socket is no call to answer.
func (e socketEntry) Open(flags int, by Caller) (Open, error) {
	to, err := parseHost(e.Path)
	host := err == nil
	if err := e.judged(); err != nil && !by.goesOn(err) {
		return nil, err
	}
	switch {
	case host && to.Listens() && to.Type == syscall.SOCK_DGRAM:
		return e.datagrams(flags, by, newRecords("from"))
	case by.again:
		return e.goOn(flags, by)
	case flags&syscall.O_CREAT != 0 || flags&(syscall.O_NONBLOCK|accessMode) == syscall.O_NONBLOCK|writeOnly:
		return e.dialLater(flags, by)
	case writes(flags) || host && !to.Listens():
		return e.dial(flags, by)
	}
	return e.accept(flags, by)
}

// judged answers ESTALE if the socket is another one, or has another mode, than the one that was judged.
func (e socketEntry) judged() error {
	a, err := e.Stat(false)
	if err == nil {
		err = e.Ref.Judged(a)
	}
	return err
}

// statOf tells of a face for those who have it open, also when its name is gone. A face is a regular file,
// that of a bound socket too: the kernel gives up an inode whose type changes.
func (e socketEntry) statOf() func() (Attr, error) {
	return func() (Attr, error) {
		a, err := e.Stat(false)
		if err != nil {
			a = e.Was
			a.Nlink = 0
		}
		a.Mode = a.Mode&07777 | syscall.S_IFREG
		return a, nil
	}
}

// listener is what the daemon keeps of a socket of its own. What could not be listened for when the daemon
// started is tried again.
func (e socketEntry) listener() (*socketState, error) {
	e.names.Lock()
	defer e.names.Unlock()
	if one := e.find(); one.listens() {
		return one, nil
	}
	if err := e.again(); err != nil {
		return nil, err // ESTALE: the name is another socket's by now, which has a listener of its own
	}
	return e.find(), nil
}

// accept opens the next connection of a socket that listens. If there is no room for a descriptor it notes
// that and goes on waiting, unless it must not wait.
func (e socketEntry) accept(flags int, by Caller) (Open, error) {
	if by.again {
		return e.goOn(flags, by)
	}
	one, err := e.listener()
	if err != nil {
		return nil, e.explain("listen", err)
	}
	told := false
	try := func() (Open, error) {
		conn, err := e.link("accept", by, nil, func(closed func()) (*socket.Conn, error) {
			return one.listener.Accept(e.statOf(), closed)
		})
		switch {
		case err == nil:
			return e.file(conn, flags, by), nil
		case errors.Is(err, backends.ErrDescriptors) && flags&syscall.O_NONBLOCK == 0:
			if !told {
				e.note(e.explain("accept", err))
			}
			told = true // it is tried again and again, and other errors are to be seen too
			return nil, backends.ErrWouldBlock
		}
		return nil, e.explain("accept", err)
	}
	return &Pending{For: one.listener, Try: try}, nil
}

// goOn opens a connection that was open before a hand-over.
func (e socketEntry) goOn(flags int, by Caller) (Open, error) {
	switch {
	case by.conn.Number == 0:
		return nil, syscall.ECONNRESET // it has ended with the process that had it
	case !by.conn.Taken:
		return e.dialled(flags, by, flags&syscall.O_NONBLOCK == 0)
	}
	conn, err := e.link("accept", by, nil, func(closed func()) (*socket.Conn, error) {
		return e.all.back.Accepted(e.call(by, closed))
	})
	if err != nil {
		return nil, err
	}
	conn.Resume(by.conn)
	return e.file(conn, flags, by), nil
}

// call is a connection as it is told of in backends.
func (e socketEntry) call(by Caller, closed func()) socket.Call {
	return socket.Call{
		Who: by.cred(), Pid: by.Pid, Request: by.request, Number: by.conn.Number, Stat: e.statOf(), Closed: closed,
	}
}

// dial opens a connection to the socket. A caller that must not wait gets one that is still being made. If
// a full backlog shows at once the answer is EAGAIN, as from connect(2) of a Unix socket.
func (e socketEntry) dial(flags int, by Caller) (Open, error) {
	nonblock := flags&syscall.O_NONBLOCK != 0
	if by.again {
		return e.goOn(flags, by)
	}
	by = by.remembered()
	conn, err := e.connection(by, !nonblock, nil)
	if err != nil {
		return nil, e.explain("dial", err)
	}
	try := func() (Open, error) {
		if err := conn.Connect(); err != nil && !(nonblock && err == backends.ErrWouldBlock) {
			return nil, e.explain("dial", err)
		}
		return e.file(conn, flags, by), nil
	}
	return &Pending{For: conn, Try: try, Stop: func() bool { conn.Close(); return true }}, nil
}

// dialLater opens a connection that is dialled when it is first used.
func (e socketEntry) dialLater(flags int, by Caller) (Open, error) {
	return e.dialled(flags, by, true)
}

// dialled opens a connection that is dialled when it is first used, or was before a hand-over.
func (e socketEntry) dialled(flags int, by Caller, patient bool) (Open, error) {
	by = by.remembered()
	conn, err := e.connection(by, patient, nil)
	if err != nil {
		return nil, e.explain("dial", err)
	}
	if by.again {
		conn.Resume(by.conn)
	}
	return e.file(conn, flags, by), nil
}

// connection makes a connection to whatever the object is, which dials at its first use. at: see link.
func (e socketEntry) connection(by Caller, patient bool, at backends.Waiter) (*socket.Conn, error) {
	to, err := parseHost(e.Path)
	host := err == nil
	var one *socketState
	if !host && (by.gone || e.Was.Type() == syscall.S_IFSOCK) {
		if _, err := e.Stat(false); err != nil && !by.connected() {
			return nil, err // another one may have its name by now
		}
	}
	if e.Was.Type() == syscall.S_IFREG && (!host || to.Listens()) {
		if one, err = e.listener(); err != nil && by.connected() {
			return e.link("dial", by, at, func(closed func()) (*socket.Conn, error) {
				return e.all.back.DialGone(e.call(by, closed)), nil
			})
		}
		if err != nil {
			return nil, err
		}
	}
	return e.link("dial", by, at, func(closed func()) (*socket.Conn, error) {
		c := e.call(by, closed)
		switch {
		case host:
			return e.all.back.Dial(to, c), nil
		case one == nil:
			return e.all.back.DialBound(path.Join(e.all.kind, e.Path), c), nil
		}
		return one.listener.Dial(c, patient), nil
	})
}

// file is the open file of a connection.
func (e socketEntry) file(conn *socket.Conn, flags int, by Caller) *File {
	f := e.all.env.File(&socketFace{wrapped{&Plain{}}}, conn, flags, by)
	r := f.seldom()
	r.looked, r.lives = conn.LookedAt, conn.Lives
	return f
}

// datagrams opens datagrams that listen, by one of their faces.
func (e socketEntry) datagrams(flags int, by Caller, face Face) (Open, error) {
	one, err := e.listener()
	if err != nil {
		return nil, e.explain("listen", err)
	}
	return e.all.env.File(&socketFace{wrapped{face}}, &socket.DatagramEnd{Datagrams: one.datagrams}, flags, by), nil
}

// ask opens a client that asks and is answered.
func (e socketEntry) ask(flags int, by Caller) (Open, error) {
	by = by.remembered() // each request dials in their name
	before := by
	by.again, by.conn = false, socket.State{} // those are new, and are to be paid for
	var x *socket.Exchange
	x = socket.NewExchange(e.all.env.Poll, e.statOf(), func(request uint64) (*socket.Conn, error) {
		by := by
		by.request = request
		return e.connection(by, true, x)
	})
	if before.conn.Number != 0 {
		conn, err := e.connection(before, true, x)
		if err != nil {
			return nil, err
		}
		x.Resume(conn, before.conn)
	}
	return e.all.env.File(&socketFace{wrapped{&Plain{}}}, x, flags, by), nil
}

// socketFace is any face of a socket: it explains what the socket refuses.
type socketFace struct{ wrapped }

// Put is that of the face.
func (f *socketFace) Put(end backends.Endpoint, p []byte) (int, error) {
	n, err := f.Face.Put(end, p)
	var known *Error
	switch {
	case err == nil || err == backends.ErrWouldBlock || err == syscall.EPIPE || err == syscall.ECONNRESET:
		return n, err
	case errors.As(err, &known) && known.Errno == syscall.EINVAL:
		known.Why = fmt.Errorf("%w (a datagram to this port itself is written to sockets/udp/HOST:PORT)", known.Why)
	case err == syscall.EMSGSIZE:
		err = &backends.Refusal{Err: err, Why: whySocketLong, Most: int64(end.Unit())}
	case err == syscall.EDESTADDRREQ:
		err = fmt.Errorf("%w: a datagram needs a header `from=ADDRESS:PORT len=N` to go there", err)
	}
	return n, advise("write", Errno(err), err)
}
