package ipctool

import (
	"bufio"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// A fan is one way of many readers to get all that one publisher writes.
type fan struct {
	fd    int
	bytes int    // of a round
	buf   []byte // for one message, or what one read asks for
}

// fans opens ways that are told as KIND PATH BYTES SIZE each.
func fans(args []string, access string) (all []fan, err error) {
	if len(args) == 0 || len(args)%4 != 0 {
		return nil, errUsage
	}
	for ; len(args) > 0; args = args[4:] {
		f, size := fan{}, 0
		if f.bytes, err = strconv.Atoi(args[2]); err == nil {
			size, err = strconv.Atoi(args[3])
		}
		f.buf = make([]byte, size)
		switch {
		case err != nil:
		case args[0] == "file":
			f.fd, err = OpenFile(args[1], access)
		default:
			if f.fd, err = unix.Socket(unix.AF_UNIX, SockTypes[args[0]]|unix.SOCK_CLOEXEC, 0); err == nil {
				err = unix.Connect(f.fd, &unix.SockaddrUnix{Name: args[1]})
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", args[1], err)
		}
		all = append(all, f)
	}
	return all, nil
}

// fanReadCommand reads a round from each way in turn, without end, and says when it has one. It has got ready
// when it has said so for the first time.
func fanReadCommand(args []string) error {
	all, err := fans(args, "rdonly")
	if err != nil {
		return err
	}
	for {
		for _, f := range all {
			fmt.Println("ready")
			for left := f.bytes; left > 0; {
				n, err := unix.Read(f.fd, f.buf)
				if n <= 0 && err != unix.EINTR {
					return fmt.Errorf("%d bytes missing: %d, %v", left, n, err)
				}
				left -= max(n, 0)
			}
		}
	}
}

// fanServeCommand is the least that a fan-out over Unix sockets can be. It accepts READERS and a publisher at
// PATH. It gives each of the publisher's messages of SIZE bytes to all readers, with one write(2) each,
// until the publisher ends.
func fanServeCommand(args []string) error {
	if len(args) != 4 {
		return errUsage
	}
	readers, _ := strconv.Atoi(args[2])
	size, _ := strconv.Atoi(args[3])
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
	for buf := make([]byte, size); ; {
		for at := 0; at < size; {
			n, err := unix.Read(publisher, buf[at:])
			if n == 0 && err == nil && at == 0 {
				return nil
			}
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
}

func retryAccept(fd int) (int, unix.Sockaddr, error) {
	for {
		conn, addr, err := unix.Accept(fd)
		if err != unix.EINTR {
			return conn, addr, err
		}
	}
}

// fanPublishCommand writes a round to each way in turn, one for each line that it gets.
func fanPublishCommand(args []string) error {
	all, err := fans(args, "wronly")
	if err != nil {
		return err
	}
	fmt.Println("ready")
	turns := bufio.NewScanner(os.Stdin)
	for turn := 0; turns.Scan(); turn++ {
		f := all[turn%len(all)]
		for left := f.bytes; left > 0; left -= len(f.buf) {
			if _, err := Retry(func() (int, error) { return unix.Write(f.fd, f.buf) }); err != nil {
				return err
			}
		}
	}
	return nil
}
