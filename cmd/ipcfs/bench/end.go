package bench

import (
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// An end is one end of an object as a program has it open. put and get move one
// message of len(p) bytes and wait until they have.
type end interface {
	put(p []byte) error
	get(p []byte) error
}

// open opens the object at path for O_RDONLY, O_WRONLY or O_RDWR. The kinds are
//
//	mq     a message queue, through mq_overview(7)
//	msg    a System V message queue, by its key
//	pair   two connected sockets of this process, unix(7), that keep messages apart
//	file   anything that read(2) and write(2) move a message of
//	lines  a file of lines; many move at once, as many as linesRead lets one read get
//	at     a file of addressed bytes: pread(2), pwrite(2)
//	map    a file that is mapped: a copy to it, and from it
//	unix   a stream socket, unix(7); who opens it for O_RDONLY listens
//	tcp    the same at a port of 127.0.0.1, tcp(7)
//	udp    datagrams there, udp(7); who opens it for O_RDONLY answers whoever sends first
//	face   the files of a socket that ipcfs listens on; who opens it for O_RDONLY accepts
//	record the same of datagrams; who opens it for O_RDONLY gets and puts them with their senders
func open(kind, path string, flags int) (end, error) {
	switch kind {
	case "mq":
		return openQueue(path, flags)
	case "msg":
		key, err := strconv.Atoi(path)
		if err != nil {
			return nil, err
		}
		id, err := msgGet(key, 0)
		return msgEnd(id), err
	case "pair":
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		return pairEnd{fileEnd(fds[0]), fileEnd(fds[1])}, err
	case "unix":
		if flags == unix.O_RDONLY {
			_ = unix.Unlink(path) // of the run before
		}
		fd, err := openSocket(unix.AF_UNIX, &unix.SockaddrUnix{Name: path}, flags == unix.O_RDONLY)
		return fileEnd(fd), err
	case "tcp":
		port, err := strconv.Atoi(path)
		if err != nil {
			return nil, err
		}
		fd, err := openSocket(unix.AF_INET, loopback(port), flags == unix.O_RDONLY)
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		}
		return fileEnd(fd), err
	case "udp":
		port, err := strconv.Atoi(path)
		if err != nil {
			return nil, err
		}
		fd, err := openDatagrams(loopback(port), flags == unix.O_RDONLY)
		return fileEnd(fd), err
	case "record":
		if flags == unix.O_RDONLY {
			fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
			return &recordEnd{fileEnd: fileEnd(fd), room: make([]byte, recordRoom)}, err
		}
		dir, port := filepath.Split(path)
		path, flags = dir+"127.0.0.1"+port, unix.O_RDWR
	case "face":
		if flags == unix.O_RDONLY {
			path = control(path) + "/accept"
		}
		flags = unix.O_RDWR // what is opened for both is a connection
	}
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	switch kind {
	case "at":
		return atEnd(fd), nil
	case "map":
		m, err := unix.Mmap(fd, 0, memorySize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		return mapEnd(m), err
	}
	return fileEnd(fd), nil
}

// memorySize is the size of a shared memory object.
const memorySize = 1 << 20

// openSocket calls an address, or listens there and takes a call.
func openSocket(family int, at unix.Sockaddr, listen bool) (int, error) {
	s, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if !listen {
		return s, unix.Connect(s, at)
	}
	// The port of the run before is taken a while.
	if err := unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return -1, err
	}
	if err := unix.Bind(s, at); err != nil {
		return -1, err
	}
	if err := unix.Listen(s, 1); err != nil {
		return -1, err
	}
	ready()
	fd, _, err := unix.Accept(s)
	return fd, err
}

// mqEnd is a queue. room is for the longest message it may hold: mq_receive(3) takes no shorter one.
type mqEnd struct {
	fd   int
	room []byte
}

func openQueue(name string, flags int) (end, error) {
	fd, err := mqOpen(name, flags)
	if err != nil {
		return nil, err
	}
	msgsize, err := mqMsgsize(fd)
	return mqEnd{fd, make([]byte, msgsize)}, err
}

func (e mqEnd) put(p []byte) error { return mqSend(e.fd, p) }
func (e mqEnd) get(p []byte) error {
	room := p
	if len(p) < len(e.room) {
		room = e.room
	}
	n, err := mqReceive(e.fd, room)
	return whole(copy(p, room[:n]), len(p), err)
}

// msgEnd is a System V queue, by its identifier.
type msgEnd int

func (e msgEnd) put(p []byte) error { return msgSend(int(e), p) }
func (e msgEnd) get(p []byte) error {
	n, err := msgReceive(int(e), p)
	return whole(n, len(p), err)
}

// pairEnd is a pair of sockets: one to put into, the other one to get from.
type pairEnd struct{ in, out fileEnd }

func (e pairEnd) put(p []byte) error { return e.in.put(p) }
func (e pairEnd) get(p []byte) error { return e.out.get(p) }

type fileEnd int

func (e fileEnd) put(p []byte) error {
	n, err := rawWrite(int(e), p)
	return whole(n, len(p), err)
}

// get may get a message in pieces, as pipes and sockets have it.
func (e fileEnd) get(p []byte) error {
	for len(p) > 0 {
		n, err := rawRead(int(e), p)
		if err != nil || n == 0 {
			return whole(n, len(p), err)
		}
		p = p[n:]
	}
	return nil
}

type atEnd int

func (e atEnd) put(p []byte) error {
	n, err := unix.Pwrite(int(e), p, 0)
	return whole(n, len(p), err)
}

func (e atEnd) get(p []byte) error {
	n, err := unix.Pread(int(e), p, 0)
	return whole(n, len(p), err)
}

type mapEnd []byte

func (e mapEnd) put(p []byte) error { copy(e, p); return nil }
func (e mapEnd) get(p []byte) error { copy(p, e); return nil }

func whole(n, want int, err error) error {
	if err == nil && n != want {
		err = fmt.Errorf("%d of %d bytes: %w", n, want, io.ErrUnexpectedEOF)
	}
	return err
}

func zeros(n int) []byte { return make([]byte, n) }
