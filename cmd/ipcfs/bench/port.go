package bench

import (
	"errors"

	"golang.org/x/sys/unix"
)

func loopback(port int) unix.Sockaddr {
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

// freePorts are two ports of TCP that nobody listens at now.
func freePorts() (ports [2]int, err error) {
	for i := range ports {
		s, e := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
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
