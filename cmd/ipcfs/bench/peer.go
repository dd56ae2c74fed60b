package bench

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Main is a process of a run: what Config.Self starts.
func Main(args []string) error {
	// Go's runtime is to take no part in what is measured. GODEBUG (see Env) keeps
	// its monitor thread from interrupting calls.
	debug.SetGCPercent(-1)
	switch {
	case len(args) == 6 && args[0] == "peer":
		size, err := strconv.Atoi(args[4])
		count, err2 := strconv.Atoi(args[5])
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		return peer{args[2], args[3], size, count}.run(args[1])
	case len(args) == 4 && args[0] == "floor":
		return serveFloor(args[1], args[2], args[3])
	}
	return errors.New("for ipcfs bench only")
}

// Env is what has to be added to the environment of a process of a run.
func Env() []string { return append(os.Environ(), "GODEBUG=asyncpreemptoff=1") }

// peer is a process at one end of an object.
type peer struct {
	kind, path  string
	size, count int
}

// run does an operation count times and says when the first began and the last ended. The operations are
//
//	solo  put a message and get it back
//	ping  put a message and get one over the other object; pong is at the other end
//	send  put messages, as many at once as the kind allows; take gets them
//	echo  open, put a message, close, as a shell does
func (p peer) run(op string) error {
	ops := map[string]func() (func() error, error){
		"solo": p.solo, "ping": p.ping, "pong": p.pong, "send": p.send, "take": p.take, "echo": p.echo,
	}
	prepare, ok := ops[op]
	if !ok {
		return fmt.Errorf("no operation %s", op)
	}
	do, err := prepare()
	if err != nil {
		return err
	}
	begun := now()
	if err := do(); err != nil {
		return err
	}
	_, err = fmt.Println(begun, now())
	return err
}

func ready() { fmt.Print(readyLine) }

// now is CLOCK_MONOTONIC in ns.
func now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err)
	}
	return t.Nano()
}

// times does f count times.
func (p peer) times(f func() error) func() error {
	return func() error {
		for range p.count {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	}
}

func (p peer) message() []byte { return []byte(strings.Repeat("x", p.size)) }

func (p peer) solo() (func() error, error) {
	e, err := open(p.kind, p.path, unix.O_RDWR)
	m := p.message()
	return p.times(func() error {
		if err := e.put(m); err != nil {
			return err
		}
		return e.get(m)
	}), err
}

func (p peer) ping() (func() error, error) {
	there, here, err := p.both(unix.O_WRONLY, unix.O_RDONLY)
	m := p.message()
	return p.times(func() error {
		if err := there.put(m); err != nil {
			return err
		}
		return here.get(m)
	}), err
}

func (p peer) pong() (func() error, error) {
	if !slices.Contains([]string{"unix", "tcp", "udp"}, p.kind) {
		ready() // opening a FIFO waits for the other end, accept for a call
	}
	here, there, err := p.both(unix.O_RDONLY, unix.O_WRONLY)
	m := p.message()
	return p.times(func() error {
		if err := here.get(m); err != nil {
			return err
		}
		return there.put(m)
	}), err
}

// both opens the object, and the one that answers come over; for a socket that is the same end.
func (p peer) both(flags, backFlags int) (a, b end, err error) {
	a, err = open(p.kind, p.path, flags)
	if err != nil || slices.Contains([]string{"unix", "tcp", "udp", "face", "record"}, p.kind) {
		return a, a, err
	}
	b, err = open(p.kind, back(p.path), backFlags)
	return a, b, err
}

// linesWrite is how much a program writes at once through stdio: st_blksize.
const linesWrite = 4096

func (p peer) send() (func() error, error) {
	e, err := open(p.kind, p.path, unix.O_WRONLY)
	m := p.message()
	if linesRead[p.kind] == 0 || err != nil {
		return p.times(func() error { return e.put(m) }), err
	}
	text := []byte(strings.Repeat(string(m)+"\n", p.count))
	return func() error {
		for rest := text; len(rest) > 0; {
			n := min(len(rest), linesWrite)
			if err := e.put(rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	}, nil
}

// linesRead is how much the kinds of lines read at once: as cat(1) does,
// stdio, and head -c and Python's readline.
var linesRead = map[string]int{"lines": 128 << 10, "lines4k": 4 << 10, "lines8k": 8 << 10}

func (p peer) take() (func() error, error) {
	e, err := open(p.kind, p.path, unix.O_RDONLY)
	m := p.message()
	ready()
	if linesRead[p.kind] == 0 || err != nil {
		return p.times(func() error { return e.get(m) }), err
	}
	buf, fd := make([]byte, linesRead[p.kind]), int(e.(fileEnd))
	return func() error {
		for left := p.count * (p.size + 1); left > 0; {
			n, err := rawRead(fd, buf)
			if err != nil || n == 0 {
				return whole(n, left, err)
			}
			left -= n
		}
		return nil
	}, nil
}

// echo keeps the object from being full by taking the message itself; that is part of the time on both sides.
func (p peer) echo() (func() error, error) {
	e, err := open(p.kind, p.path, unix.O_RDONLY)
	m := p.message()
	return p.times(func() error {
		if err := p.openPutClose(m); err != nil {
			return err
		}
		return e.get(m)
	}), err
}
