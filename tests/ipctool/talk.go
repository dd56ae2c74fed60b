package ipctool

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// talkCommand takes part in a conversation, as it is told line by line: it does one operation after the
// other on one open file and prints what each gave. Descriptor 3, if there is one, is a listening socket.
// Its first line of output names the thread that does all this.
func talkCommand([]string) error {
	runtime.LockOSThread()
	t := talker{fd: -1}
	fmt.Println(unix.Gettid())
	in := bufio.NewReader(stdin{})
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil
		}
		result, err := t.line(strings.TrimSuffix(line, "\n"))
		if err == errUsage {
			return fmt.Errorf("%s: %w", line, err)
		}
		if err != nil {
			result = name(err)
		}
		fmt.Println(result)
	}
}

// stdin is read on the thread that reads from it: os.Stdin would leave that to Go's poller.
type stdin struct{}

func (stdin) Read(p []byte) (int, error) {
	n, err := Retry(func() (int, error) { return unix.Read(0, p) })
	if n <= 0 && err == nil {
		err = errors.New("end of file")
	}
	return max(n, 0), err
}

// talker is one end of a conversation.
type talker struct {
	fd int
	mq bool // fd is a native queue
}

func (t *talker) do(op, arg string) (string, error) {
	arg, rest, _ := strings.Cut(arg, " ")
	switch op {
	case "open": // open FLAG,… PATH
		return "ok", t.begin(OpenFile(rest, arg))
	case "connect": // connect stream|seqpacket PATH, or connect tcp PORT
		return "ok", t.begin(connect(arg, rest))
	case "accept":
		return "ok", t.begin(Retry(func() (int, error) {
			fd, _, err := unix.Accept4(3, unix.SOCK_CLOEXEC)
			return fd, err
		}))
	case "accept-now":
		n, err := Retry(func() (int, error) { return unix.Poll([]unix.PollFd{{Fd: 3, Events: unix.POLLIN}}, 0) })
		if n == 0 && err == nil {
			return "EAGAIN", nil
		}
		return t.do("accept", "")
	case "mq": // mq FLAG,… NAME
		t.mq = true
		return "ok", t.begin(mqOpen(rest, openFlags[arg], nil))
	case "read":
		text, err := t.read()
		return strconv.Quote(text), err
	case "rest": // to the end or an error
		var all string
		for {
			got, err := t.read()
			all = short(all + got)
			if got == "" || err != nil {
				return fmt.Sprintf("%q then %s", all, name(err)), nil
			}
		}
	case "need": // need OP…: if there is nothing open yet
		if t.fd >= 0 {
			return "open", nil
		}
		return t.do(arg, rest)
	case "shout": // shout TEXT OP… opens, writes and closes
		if _, err := t.line(rest); err != nil {
			return "", err
		}
		if err := t.write([]byte(arg)); err != nil {
			return "", err
		}
		return t.do("close", "")
	case "hear": // hear TEXT OP… opens, reads and closes, until it has read TEXT
		var all []string
		for {
			if _, err := t.line(rest); err != nil {
				return "", err
			}
			text, err := t.read()
			if err != nil {
				text = name(err)
			}
			if all = append(all, text); text == arg {
				return strings.Join(all, " "), nil
			}
			if _, err := t.do("close", ""); err != nil {
				return "", err
			}
		}
	case "put": // put TEXT PATH
		return "ok", os.WriteFile(rest, []byte(arg+"\n"), 0)
	case "nothing":
		return "ok", nil
	case "write":
		return "ok", t.write([]byte(arg))
	case "fill": // more than there is room for
		return "ok", t.write([]byte(strings.Repeat("x", 8<<20)))
	case "fill-polling": // the same, as a program with an event loop does it
		return "ok", t.fillPolling()
	case "half":
		return "ok", unix.Shutdown(t.fd, unix.SHUT_WR)
	case "poll":
		fds := []unix.PollFd{{Fd: int32(t.fd), Events: unix.POLLIN | unix.POLLOUT}}
		_, err := Retry(func() (int, error) { return unix.Poll(fds, 0) })
		return events(int(fds[0].Revents)), err
	case "nonblock":
		return "ok", unix.SetNonblock(t.fd, true)
	case "close":
		if t.fd < 0 {
			return "ok", nil
		}
		fd := t.fd
		*t = talker{fd: -1}
		return "ok", unix.Close(fd)
	}
	return "", errUsage
}

// line is do for OP and its argument in one.
func (t *talker) line(line string) (string, error) {
	op, arg, _ := strings.Cut(line, " ")
	return t.do(op, arg)
}

// begin closes what was open before.
func (t *talker) begin(fd int, err error) error {
	if err != nil {
		return err
	}
	if t.fd >= 0 {
		_ = unix.Close(t.fd)
	}
	t.fd = fd
	return nil
}

func connect(kind, to string) (int, error) {
	family, typ := unix.AF_UNIX, SockTypes[kind]
	var sa unix.Sockaddr = &unix.SockaddrUnix{Name: to}
	if kind == "tcp" {
		port := 0
		if _, err := fmt.Sscan(to, &port); err != nil {
			return -1, err
		}
		family, typ, sa = unix.AF_INET, unix.SOCK_STREAM, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
	}
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if _, err := Retry(func() (int, error) { return 0, unix.Connect(fd, sa) }); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (t *talker) fillPolling() error {
	if err := unix.SetNonblock(t.fd, true); err != nil {
		return err
	}
	defer unix.SetNonblock(t.fd, false)
	for left := 8 << 20; left > 0; {
		n, err := unix.Write(t.fd, []byte(strings.Repeat("x", left)))
		left -= max(n, 0)
		if err == unix.EAGAIN {
			fds := []unix.PollFd{{Fd: int32(t.fd), Events: unix.POLLOUT}}
			_, err = Retry(func() (int, error) { return unix.Poll(fds, -1) })
		}
		if err != nil && left < 8<<20 {
			return errors.New("short")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var talkBuf [1 << 16]byte

func (t *talker) read() (string, error) {
	n, err := Retry(func() (n int, err error) {
		if t.mq {
			n, _, err = mqReceive(t.fd, talkBuf[:])
			return n, err
		}
		return unix.Read(t.fd, talkBuf[:])
	})
	return short(string(talkBuf[:max(n, 0)])), err
}

// short is a text with one x where there are many.
func short(text string) string { return manyX.ReplaceAllString(text, "x") }

var manyX = regexp.MustCompile("x+")

// write is write(2) with SIGPIPE ignored, as Go does for all descriptors but 1 and 2.
func (t *talker) write(p []byte) error {
	n, err := Retry(func() (int, error) {
		if t.mq {
			return len(p), mqSend(t.fd, p, 0)
		}
		return unix.Write(t.fd, p)
	})
	if err == nil && n < len(p) {
		err = errors.New("short")
	}
	return err
}
