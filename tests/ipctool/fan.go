package ipctool

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// fanReadCommand reads from a file, or a Unix socket it connects to, until it has got BYTES;
// each read asks for up to SIZE. It says when it is ready.
func fanReadCommand(args []string) error {
	if len(args) != 4 {
		return errUsage
	}
	left, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	size, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	fd := -1
	switch args[0] {
	case "file":
		fd, err = OpenFile(args[1], "rdonly")
	case "stream", "seqpacket":
		fd, err = unix.Socket(unix.AF_UNIX, SockTypes[args[0]]|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(fd, &unix.SockaddrUnix{Name: args[1]})
		}
	}
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for buf := make([]byte, size); left > 0; {
		n, err := unix.Read(fd, buf)
		if n <= 0 && err != unix.EINTR {
			return fmt.Errorf("%d bytes missing: %d, %v", left, n, err)
		}
		left -= max(n, 0)
	}
	return nil
}

// fanServeCommand is the least that a fan-out over Unix sockets can be. It accepts a publisher and READERS at
// PATH. It gives each of the publisher's COUNT messages of SIZE bytes to all readers, with one write(2) each.
func fanServeCommand(args []string) error {
	if len(args) != 5 {
		return errUsage
	}
	readers, _ := strconv.Atoi(args[2])
	count, _ := strconv.Atoi(args[3])
	size, _ := strconv.Atoi(args[4])
	fd, err := unix.Socket(unix.AF_UNIX, SockTypes[args[0]]|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: args[1]}); err != nil {
		return err
	}
	if err := unix.Listen(fd, readers+1); err != nil {
		return err
	}
	fmt.Println("ready")
	conns := make([]int, readers+1)
	for i := range conns {
		if conns[i], _, err = retryAccept(fd); err != nil {
			return err
		}
	}
	publisher := conns[readers] // it comes last
	buf := make([]byte, size)
	for range count {
		for at := 0; at < size; {
			n, err := unix.Read(publisher, buf[at:])
			if n <= 0 && err != unix.EINTR {
				return fmt.Errorf("the publisher: %d, %v", n, err)
			}
			at += max(n, 0)
		}
		for _, conn := range conns[:readers] {
			for at := 0; at < size; {
				n, err := unix.Write(conn, buf[at:])
				if n <= 0 && err != unix.EINTR {
					return fmt.Errorf("a reader: %d, %v", n, err)
				}
				at += max(n, 0)
			}
		}
	}
	return nil
}

func retryAccept(fd int) (int, unix.Sockaddr, error) {
	for {
		conn, addr, err := unix.Accept(fd)
		if err != unix.EINTR {
			return conn, addr, err
		}
	}
}

// fanPublishCommand writes COUNT messages of SIZE bytes to a file or a Unix socket, when it gets a line.
func fanPublishCommand(args []string) error {
	if len(args) != 4 {
		return errUsage
	}
	count, _ := strconv.Atoi(args[2])
	size, _ := strconv.Atoi(args[3])
	fd, err := -1, error(nil)
	if args[0] == "file" {
		fd, err = OpenFile(args[1], "wronly")
	} else if fd, err = unix.Socket(unix.AF_UNIX, SockTypes[args[0]]|unix.SOCK_CLOEXEC, 0); err == nil {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: args[1]})
	}
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		return err
	}
	msg := make([]byte, size)
	for range count {
		if _, err := Retry(func() (int, error) { return unix.Write(fd, msg) }); err != nil {
			return err
		}
	}
	return nil
}
