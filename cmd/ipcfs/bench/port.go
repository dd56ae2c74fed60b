package bench

import (
	"errors"

	"golang.org/x/sys/unix"
)

func loopback(port int) unix.Sockaddr {
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

// portTypes are the types of the sockets of a class.
var portTypes = map[string]int{"sockets/tcp": unix.SOCK_STREAM, "sockets/udp": unix.SOCK_DGRAM}

// freePorts are two ports that nobody listens at now with a socket of a type.
func freePorts(typ int) (ports [2]int, err error) {
	for i := range ports {
		s, e := unix.Socket(unix.AF_INET, typ|unix.SOCK_CLOEXEC, 0)
		if e != nil {
			return ports, e
		}
		defer unix.Close(s) // both are held until both are known
		e = unix.Bind(s, loopback(0))
		at, e2 := unix.Getsockname(s)
		if at, ok := at.(*unix.SockaddrInet4); ok {
			ports[i] = at.Port
		}
		err = errors.Join(err, e, e2)
	}
	return ports, err
}

// openDatagrams sends to an address, or to whoever sends first to it.
func openDatagrams(at unix.Sockaddr, listen bool) (int, error) {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if !listen {
		return s, unix.Connect(s, at)
	}
	if err := unix.Bind(s, at); err != nil {
		return -1, err
	}
	ready()
	_, from, err := unix.Recvfrom(s, nil, unix.MSG_PEEK)
	if err != nil {
		return -1, err
	}
	return s, unix.Connect(s, from)
}

// recordRoom is more than one record takes, but for what it carries.
const recordRoom = 128 << 10

// recordEnd answers datagrams with themselves: a record that is written as it was read goes back to its
// sender.
type recordEnd struct {
	fileEnd
	room, last []byte
}

func (e *recordEnd) get([]byte) error {
	n, err := rawRead(int(e.fileEnd), e.room)
	e.last = e.room[:n]
	return err
}

func (e *recordEnd) put([]byte) error { return e.fileEnd.put(e.last) }
