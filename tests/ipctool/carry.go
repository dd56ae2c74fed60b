package ipctool

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// carrying is one role that goes on while a mount is handed over from one process to
// the next. It calls ready when it is where the handover is to find it. Then it goes on
// until stop is closed, or until a message says end.
type carrying struct {
	path  string
	ready func()
	stop  <-chan struct{}
}

// carryRoles are what programs do, each on one file.
var carryRoles = map[string]func(*carrying) error{
	"send": (*carrying).send, "recv": (*carrying).receive,
	"send-lines": (*carrying).sendLines, "recv-lines": (*carrying).receiveLines,
	"next": (*carrying).next, "poll": (*carrying).poll, "sleep": (*carrying).sleep,
	"list": (*carrying).list, "hand": (*carrying).hand, "half": (*carrying).half,
	"map": (*carrying).mapped, "watch": (*carrying).watch, "late": (*carrying).late,
	"lease": (*carrying).lease, "lock": (*carrying).lock,
}

// carryCommand plays ROLE=PATH…, each at the same time, until its stdin ends. It says "ready" when all are
// where the handover is to find them, and a line for each role that failed.
func carryCommand(args []string) error {
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	var ready, done sync.WaitGroup
	failed := make(chan error, len(args))
	for _, arg := range args {
		role, path, _ := strings.Cut(arg, "=")
		play := carryRoles[role]
		if play == nil {
			return errUsage
		}
		ready.Add(1)
		done.Add(1)
		go func() {
			defer done.Done()
			one := &carrying{path, sync.OnceFunc(ready.Done), stop}
			err := play(one)
			one.ready()
			if err != nil {
				failed <- fmt.Errorf("%s: %w", arg, err)
			}
		}()
	}
	ready.Wait()
	fmt.Println("ready")
	done.Wait()
	close(failed)
	var all []error
	for err := range failed {
		all = append(all, err)
	}
	return errors.Join(all...)
}

func (c *carrying) open(flags int) (int, error) {
	return Retry(func() (int, error) { return unix.Open(c.path, flags|unix.O_CLOEXEC, 0) })
}

func readSome(fd int, p []byte) (int, error) {
	return Retry(func() (int, error) { return unix.Read(fd, p) })
}

func (c *carrying) write(fd int, text string) error {
	n, err := Retry(func() (int, error) { return unix.Write(fd, []byte(text)) })
	if err == nil && n < len(text) {
		return c.write(fd, text[n:])
	}
	return err
}

func (c *carrying) stopped() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

const carryEnd = "end"

// send writes numbers, one a message.
func (c *carrying) send() error {
	fd, err := c.open(unix.O_WRONLY)
	for i := 0; err == nil && !c.stopped(); i++ {
		if err = c.write(fd, strconv.Itoa(i)); i == 100 {
			c.ready()
		}
	}
	if err != nil {
		return err
	}
	return c.write(fd, carryEnd)
}

// receive reads them.
func (c *carrying) receive() error {
	fd, err := c.open(unix.O_RDONLY)
	if err != nil {
		return err
	}
	c.ready()
	buf := make([]byte, 128)
	return c.numbers(func() (string, error) {
		n, err := readSome(fd, buf)
		return string(buf[:n]), err
	})
}

// numbers checks that get gives 0, 1, 2 and so on, up to the end.
func (c *carrying) numbers(get func() (string, error)) error {
	for i := 0; ; i++ {
		got, err := get()
		switch {
		case err != nil:
			return fmt.Errorf("after %d: %w", i, err)
		case got == carryEnd && i > 0:
			return nil
		case got != strconv.Itoa(i):
			return fmt.Errorf("got %q, want %d", got, i)
		}
	}
}

// sendLines writes numbers as lines, in writes that end anywhere in a line.
func (c *carrying) sendLines() error {
	fd, err := c.open(unix.O_WRONLY)
	text := ""
	for i := 0; err == nil && !c.stopped(); i++ {
		for text += strconv.Itoa(i) + "\n"; err == nil && len(text) > 7; text = text[7:] {
			err = c.write(fd, text[:7])
		}
		if i == 100 {
			c.ready()
		}
	}
	if err != nil {
		return err
	}
	return c.write(fd, text+carryEnd+"\n")
}

// receiveLines reads them with a buffer into which few fit.
func (c *carrying) receiveLines() error {
	fd, err := c.open(unix.O_RDONLY)
	if err != nil {
		return err
	}
	c.ready()
	var rest []byte
	buf := make([]byte, 13)
	return c.numbers(func() (string, error) {
		for {
			if line, more, ok := bytes.Cut(rest, []byte("\n")); ok {
				rest = more
				return string(line), nil
			}
			n, err := readSome(fd, buf)
			if err == nil && n == 0 {
				err = io.ErrUnexpectedEOF
			}
			if err != nil {
				return "", err
			}
			rest = append(rest, buf[:n]...)
		}
	})
}

// next opens a file for each message.
func (c *carrying) next() error {
	c.ready()
	return c.numbers(func() (string, error) {
		fd, err := c.open(unix.O_RDONLY)
		if err != nil {
			return "", err
		}
		defer unix.Close(fd)
		var text []byte
		for buf := make([]byte, 2); ; {
			n, err := readSome(fd, buf)
			if err != nil || n == 0 {
				return string(text), err
			}
			text = append(text, buf[:n]...)
		}
	})
}

// poll waits in poll(2) for a message.
func (c *carrying) poll() error {
	fd, err := c.open(unix.O_RDONLY)
	if err != nil {
		return err
	}
	time.AfterFunc(0, c.ready)
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := Retry(func() (int, error) { return unix.Poll(fds, -1) })
	if err != nil || n != 1 || fds[0].Revents != unix.POLLIN {
		return fmt.Errorf("poll: %d, %#x, %w", n, fds[0].Revents, err)
	}
	return c.gets(fd, "wake")
}

// gets reads a message, a byte at a time.
func (c *carrying) gets(fd int, want string) error {
	buf := make([]byte, 1)
	for i := range len(want) {
		if n, err := readSome(fd, buf); err != nil || n != 1 || buf[0] != want[i] {
			return fmt.Errorf("byte %d: %q, %w", i, buf[:max(n, 0)], err)
		}
	}
	return nil
}

// sleep waits in read(2) for a message.
func (c *carrying) sleep() error {
	fd, err := c.open(unix.O_RDONLY)
	if err != nil {
		return err
	}
	c.ready()
	return c.gets(fd, "wake")
}

// lease takes a message on lease, and acknowledges it later.
func (c *carrying) lease() error {
	fd, err := c.open(unix.O_RDWR)
	if err == nil {
		err = c.gets(fd, "job\n")
	}
	if err != nil {
		return err
	}
	c.ready()
	<-c.stop
	return c.write(fd, "ack\n")
}

// late opens a queue with O_NONBLOCK after the others are ready: nothing is there, and it is told so at once.
func (c *carrying) late() error {
	c.ready()
	<-c.stop
	fd, err := c.open(unix.O_RDONLY | unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	if n, err := readSome(fd, make([]byte, 128)); err != unix.EAGAIN {
		return fmt.Errorf("read %d bytes, %w", n, err)
	}
	return nil
}

// list reads a part of a directory, and the rest later. The names are n0, n1 and so on;
// meanwhile the directory has lost one name and got one.
func (c *carrying) list() error {
	fd, err := c.open(unix.O_RDONLY | unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	var names []string
	buf := make([]byte, 4096) // less than there is, and no less than the kernel asks for at a time
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if _, _, names = unix.ParseDirent(buf[:n], -1, names); len(names) > 10 {
			c.ready()
			<-c.stop
		}
	}
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] {
			return fmt.Errorf("%s is there twice", name)
		}
		seen[name] = true
	}
	if want := 1000; len(names) != want || !seen["n999"] {
		return fmt.Errorf("%d names, want %d", len(names), want)
	}
	return nil
}

// hand reads a part of a message, and the rest later.
func (c *carrying) hand() error {
	fd, err := c.open(unix.O_RDWR)
	if err != nil {
		return err
	}
	for _, text := range []string{"message", "next"} {
		if err := c.write(fd, text); err != nil {
			return err
		}
	}
	if err := c.gets(fd, "mess"); err != nil {
		return err
	}
	c.ready()
	<-c.stop
	return c.gets(fd, "agenext")
}

// half writes a part of a line, and the rest later.
func (c *carrying) half() error {
	fd, err := c.open(unix.O_RDWR)
	if err == nil {
		err = c.write(fd, "one\nha")
	}
	if err != nil {
		return err
	}
	c.ready()
	<-c.stop
	if err := c.write(fd, "lf\n"); err != nil {
		return err
	}
	return c.gets(fd, "one\nhalf\n")
}

// watch reads a status, and then waits for another one.
func (c *carrying) watch() error {
	f, err := os.Open(c.path)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(bufio.NewReader(f))
	if err != nil {
		return err
	}
	time.AfterFunc(0, c.ready)
	buf := make([]byte, 4096)
	n, err := Retry(func() (int, error) { return unix.Pread(int(f.Fd()), buf, 0) })
	if err != nil || bytes.Equal(buf[:n], text) {
		return fmt.Errorf("the same again, %w", err)
	}
	return nil
}
