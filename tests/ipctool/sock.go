package ipctool

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// SockTypes are the types of sockets by the names that commands call them.
var SockTypes = map[string]int{
	"stream": unix.SOCK_STREAM, "dgram": unix.SOCK_DGRAM, "seqpacket": unix.SOCK_SEQPACKET,
}

// serveCommand binds a socket, prints "ready" when clients can come, and sends back in capitals what
// each of CLIENTS clients sends: of a stream all until its end, of the others each message. A client
// of a datagram socket sends one message.
func serveCommand(args []string) error {
	if len(args) != 3 || SockTypes[args[0]] == 0 {
		return errUsage
	}
	clients, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_UNIX, SockTypes[args[0]]|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: args[1]}); err != nil {
		return fmt.Errorf("bind: %s", name(err))
	}
	if args[0] != "dgram" {
		if err := unix.Listen(fd, 16); err != nil {
			return fmt.Errorf("listen: %s", name(err))
		}
	}
	fmt.Println("ready")
	for range clients {
		if args[0] == "dgram" {
			err = answerDatagram(fd)
		} else {
			err = answerClient(fd)
		}
		if err != nil {
			return err
		}
	}
	return unix.Close(fd)
}

func answerDatagram(fd int) error {
	buf := make([]byte, 4096)
	var from unix.Sockaddr
	n, err := Retry(func() (n int, err error) { n, from, err = unix.Recvfrom(fd, buf, 0); return })
	if err != nil {
		return err
	}
	return unix.Sendto(fd, []byte(strings.ToUpper(string(buf[:n]))), 0, from)
}

func answerClient(fd int) error {
	conn, err := Retry(func() (int, error) {
		conn, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		return conn, err
	})
	if err != nil {
		return err
	}
	defer unix.Close(conn)
	buf := make([]byte, 4096)
	for {
		n, err := Retry(func() (int, error) { return unix.Read(conn, buf) })
		if n <= 0 || err != nil {
			return err
		}
		if _, err := unix.Write(conn, []byte(strings.ToUpper(string(buf[:n])))); err != nil {
			return err
		}
	}
}

// dialCommand connects to a socket, sends each MSG and prints the answer to it. MSG "EOF" ends the
// sending and prints what still comes; a stream may answer in pieces.
func dialCommand(args []string) error {
	if len(args) < 2 || SockTypes[args[0]] == 0 {
		return errUsage
	}
	fd, err := unix.Socket(unix.AF_UNIX, SockTypes[args[0]]|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if args[0] == "dgram" {
		// An abstract address of its own (autobind, unix(7)), for the answer.
		if err := unix.Bind(fd, &unix.SockaddrUnix{}); err != nil {
			return err
		}
	}
	_, err = Retry(func() (int, error) { return 0, unix.Connect(fd, &unix.SockaddrUnix{Name: args[1]}) })
	if err != nil {
		return fmt.Errorf("connect: %s", name(err))
	}
	for _, msg := range args[2:] {
		if msg == "EOF" {
			if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
				return err
			}
			msg = ""
		} else if _, err := unix.Write(fd, []byte(msg)); err != nil {
			return err
		}
		want, buf := max(1, len(msg)), make([]byte, 4096)
		for got := 0; got < want; {
			n, err := Retry(func() (int, error) { return unix.Read(fd, buf) })
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			fmt.Printf("%s", buf[:n])
			if msg != "" {
				got += n
			}
		}
		fmt.Println()
	}
	return unix.Close(fd)
}
