package ipctool

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Programs that talk over connections while the daemon is killed again and again. Where they talk is the path
// of a face, or native: unix:PATH, tcp:PORT.

// talkConn is one end of a connection.
type talkConn int

func (c talkConn) Read(p []byte) (int, error) {
	n, err := Retry(func() (int, error) { return unix.Read(int(c), p) })
	if n == 0 && err == nil && len(p) > 0 {
		err = io.EOF
	}
	return max(n, 0), err
}

func (c talkConn) Write(p []byte) (done int, err error) {
	for done < len(p) && err == nil {
		var n int
		n, err = Retry(func() (int, error) { return unix.Write(int(c), p[done:]) })
		done += max(n, 0)
	}
	return done, err
}

func (c talkConn) Close() error { return unix.Close(int(c)) }

// talkAddress makes a native socket, and says where it is to be bound or connected.
func talkAddress(where string) (fd int, sa unix.Sockaddr, err error) {
	if port, ok := strings.CutPrefix(where, "tcp:"); ok {
		n, err := strconv.Atoi(port)
		if err != nil {
			return -1, nil, err
		}
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		return fd, &unix.SockaddrInet4{Port: n, Addr: [4]byte{127, 0, 0, 1}}, err
	}
	// The whole path may be longer than an address.
	path := strings.TrimPrefix(where, "unix:")
	if err := os.Chdir(filepath.Dir(path)); err != nil {
		return -1, nil, err
	}
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	return fd, &unix.SockaddrUnix{Name: filepath.Base(path)}, err
}

func native(where string) bool {
	return strings.HasPrefix(where, "tcp:") || strings.HasPrefix(where, "unix:")
}

func talkDial(where string) (talkConn, error) {
	if !native(where) {
		fd, err := Retry(func() (int, error) { return unix.Open(where, unix.O_RDWR|unix.O_CLOEXEC, 0) })
		return talkConn(fd), err
	}
	fd, sa, err := talkAddress(where)
	if err == nil {
		_, err = Retry(func() (int, error) { return 0, unix.Connect(fd, sa) })
	}
	return talkConn(fd), err
}

// talkAccept is what gives the calls that come.
func talkAccept(where string) (func() (talkConn, error), error) {
	if !native(where) {
		return func() (talkConn, error) { return talkDial(where) }, nil
	}
	fd, sa, err := talkAddress(where)
	if err == nil {
		err = errors.Join(unix.Bind(fd, sa), unix.Listen(fd, 128))
	}
	return func() (talkConn, error) {
		c, err := Retry(func() (int, error) {
			c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
			return c, err
		})
		return talkConn(c), err
	}, err
}

// talkLong sends count numbers, and receives as many, at the same time.
func talkLong(c talkConn, count int) error {
	sent := make(chan error, 1)
	go func() {
		var b []byte
		for i := range count {
			if b = append(strconv.AppendInt(b, int64(i), 10), '\n'); len(b) > 3000 || i == count-1 {
				if _, err := c.Write(b); err != nil {
					sent <- fmt.Errorf("write: %w", err)
					return
				}
				b = b[:0]
			}
		}
		sent <- nil
	}()
	lines := bufio.NewReaderSize(c, 700)
	for i := range count {
		line, err := lines.ReadString('\n')
		if err != nil || line != strconv.Itoa(i)+"\n" {
			return fmt.Errorf("number %d is %q, %w", i, line, err)
		}
	}
	if n := lines.Buffered(); n > 0 {
		return fmt.Errorf("%d bytes too many", n)
	}
	return <-sent
}

// stormTalkCommand talks on one side: long, over one connection, or short, over one for each number.
func stormTalkCommand(args []string) error {
	if len(args) < 4 {
		return errUsage
	}
	count, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	where, do := args[2], talks[args[0]+" "+args[1]]
	if do == nil {
		return errUsage
	}
	if err := do(where, count, args[4:]); err != nil {
		return fmt.Errorf("%s %s %s: %v", args[0], args[1], where, err)
	}
	return nil
}

// talks are what the two sides do.
var talks = map[string]func(where string, count int, more []string) error{
	"dial long": func(where string, count int, _ []string) error {
		c, err := talkDial(where)
		if err == nil {
			err = talkLong(c, count)
		}
		return errors.Join(err, c.Close())
	},
	"accept long": func(where string, count int, _ []string) error {
		next, err := talkAccept(where)
		if err != nil {
			return err
		}
		fmt.Println("ready")
		c, err := next()
		if err == nil {
			err = talkLong(c, count)
		}
		if err != nil {
			return err
		}
		if n, err := c.Read(make([]byte, 1)); err != io.EOF {
			return fmt.Errorf("behind all %d, %v", n, err)
		}
		return c.Close()
	},
	// It sends each number over a connection of its own, and hears it back.
	"dial short": func(where string, count int, more []string) error {
		from, err := strconv.Atoi(more[0])
		anew := maxAnew
		for i := from; i < from+count && err == nil; i++ {
			err = shortDial(where, fmt.Sprint(i, "\n"), &anew)
		}
		return err
	},
	"accept short": func(where string, count int, _ []string) error {
		next, err := talkAccept(where)
		if err != nil {
			return err
		}
		fmt.Println("ready")
		seen := map[string]bool{}
		for len(seen) < count {
			c, err := next()
			if err != nil {
				return fmt.Errorf("accept: %w", err)
			}
			line, err := bufio.NewReader(c).ReadString('\n')
			if line == "" && err == io.EOF { // its worker was killed right behind connect(2), and the next one calls anew
				if err := c.Close(); err != nil {
					return err
				}
				continue
			}
			if err != nil || seen[line] {
				return fmt.Errorf("%d calls, then %q, twice %v, %w", len(seen), line, seen[line], err)
			}
			seen[line] = true
			if _, err = c.Write([]byte(line)); err != nil {
				return fmt.Errorf("answer: %w", err)
			}
			if err := c.Close(); err != nil {
				return err
			}
		}
		return nil
	},
}

// maxAnew is how many of its calls a program makes anew that were lost: a few kills in a hundred fall on that
// instant.
const maxAnew = 3

func shortDial(where, line string, anew *int) error {
	for {
		c, err := talkDial(where)
		if err != nil {
			return fmt.Errorf("dial: %w", err)
		}
		var all []byte
		if _, err = c.Write([]byte(line)); err == nil {
			all, err = io.ReadAll(c)
		}
		if len(all) == 0 && *anew > 0 { // the worker was killed right behind accept(2), so that nobody has heard the line
			*anew--
			_ = c.Close()
			continue
		}
		if err != nil || !bytes.Equal(all, []byte(line)) {
			return fmt.Errorf("%q is answered with %q, %w", line, all, err)
		}
		return c.Close()
	}
}
