package ipctool

import (
	"encoding/gob"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Cue asks an actor for one system call.
type Cue struct {
	Op          string
	FD          int    // of the file, or the number that "poller" gave
	Path, Flags string // of open or copy, as in "rdwr,nonblock"; the names of fork's pipes; the call of poller
	N           int    // how many bytes to read, what to poll for, how long to wait
	Data        []byte // to be written
}

// A Take is what came of it.
type Take struct {
	N     int
	Errno string // its name; empty: success
	Data  []byte
}

// actor is the state of the process ipctool actor, which does system calls as it is asked
// to on its standard input, one at a time. It retries nothing: a signal that interrupts a
// call shows as EINTR, without SA_RESTART.
type actor struct {
	files    map[int]bool
	queues   map[int]bool // those of files that mq_open opened
	pollers  []poller
	children []*exec.Cmd
	memory   []byte
}

// actorCommand plays until its input ends. IN and OUT are pipes to use instead of the standard ones. A child
// that was given a file has it as descriptor 3. Its first take names its thread.
func actorCommand(args []string) error {
	runtime.LockOSThread()
	in, out := os.Stdin, os.Stdout
	if len(args) == 2 {
		var err error
		if in, err = os.OpenFile(args[0], os.O_RDONLY, 0); err != nil {
			return err
		}
		if out, err = os.OpenFile(args[1], os.O_WRONLY, 0); err != nil {
			return err
		}
	}
	if err := interruptible(); err != nil {
		return err
	}
	a := &actor{files: map[int]bool{}, queues: map[int]bool{}}
	if len(args) == 2 {
		a.files[3] = true
	}
	cues, takes := gob.NewDecoder(in), gob.NewEncoder(out)
	answer := Take{N: unix.Gettid()}
	for {
		if err := takes.Encode(answer); err != nil {
			return err
		}
		var c Cue
		if err := cues.Decode(&c); err != nil {
			return nil // the play is over
		}
		var err error
		answer, err = a.do(c)
		if err != nil {
			answer.Errno = name(err)
		}
	}
}

// interruptible makes SIGUSR1 interrupt system calls, siginterrupt(3): Go asks
// for SA_RESTART, which the kernel's own pipes heed.
func interruptible() error {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR1)
	const saRestart = 0x10000000
	var action struct{ handler, flags, restorer, mask uintptr } // struct sigaction of the kernel
	for _, set := range []bool{false, true} {
		action.flags &^= saRestart
		old, new := uintptr(unsafe.Pointer(&action)), uintptr(0)
		if set {
			old, new = new, old
		}
		_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(syscall.SIGUSR1), new, old, 8, 0, 0)
		if errno != 0 {
			return errno
		}
	}
	return nil
}

func (a *actor) do(c Cue) (Take, error) {
	switch c.Op {
	case "open":
		how, err := openMode(c.Flags)
		if err != nil {
			return Take{}, err
		}
		return a.opened(unix.Open(c.Path, how, 0666))
	case "mq-open":
		how, err := openMode(c.Flags)
		if err != nil {
			return Take{}, err
		}
		fd, err := mqOpen(c.Path, how, nil)
		a.queues[fd] = err == nil
		return a.opened(fd, err)
	case "listen":
		fd, err := unix.Socket(unix.AF_UNIX, SockTypes[c.Flags]|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrUnix{Name: c.Path})
		}
		if err == nil {
			err = unix.Listen(fd, 1)
		}
		return a.opened(fd, err)
	case "connect":
		fd, err := unix.Socket(unix.AF_UNIX, SockTypes[c.Flags]|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(fd, &unix.SockaddrUnix{Name: c.Path})
		}
		return a.opened(fd, err)
	case "accept":
		fd, _, err := unix.Accept4(c.FD, unix.SOCK_CLOEXEC)
		return a.opened(fd, err)
	case "mq-own": // a descriptor that was inherited is a queue's
		a.queues[c.FD] = true
		return Take{}, nil
	case "dup":
		fd, err := unix.FcntlInt(uintptr(c.FD), unix.F_DUPFD_CLOEXEC, 0)
		a.queues[fd] = a.queues[c.FD]
		return a.opened(fd, err)
	case "fork":
		return Take{}, a.fork(c)
	case "close":
		delete(a.files, c.FD)
		delete(a.queues, c.FD)
		return Take{}, unix.Close(c.FD)
	case "read":
		return a.read(c)
	case "write":
		n, err := a.write(c)
		return Take{N: max(0, n)}, err
	case "nonblock", "block", "packets":
		return Take{}, setFlag(c.FD, c.Op)
	case "size":
		var st unix.Stat_t
		err := unix.Fstat(c.FD, &st)
		return Take{N: int(st.Size)}, err
	case "birth": // as stat(1) asks, for more than there is of a file
		var st unix.Statx_t
		return Take{}, unix.Statx(c.FD, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	case "poller":
		p, err := newPoller(c.Flags, c.N, []int{c.FD})
		a.pollers = append(a.pollers, p)
		return Take{N: len(a.pollers) - 1}, err
	case "wait":
		ready, err := a.pollers[c.FD].wait(c.N)
		return Take{Data: []byte(ready[0])}, err
	case "fadvise", "readahead", "sendfile", "splice", "splice-in", "copy", "private", "getflags":
		return aside(c)
	case "reset":
		a.reset()
		return Take{}, nil
	}
	return Take{}, errUsage
}

func (a *actor) opened(fd int, err error) (Take, error) {
	if err != nil {
		return Take{}, err
	}
	a.files[fd] = true
	return Take{N: fd}, nil
}

// awkward is room for n bytes and one more (an address must be good) that begins with the last byte of a
// page: it is in as many pages as there can be, and the kernel carries 256 of them in one request.
func (a *actor) awkward(n int) []byte {
	if len(a.memory) < n+2*pageSize {
		a.memory = make([]byte, n+2*pageSize)
	}
	at := -int(uintptr(unsafe.Pointer(&a.memory[0]))+1) & (pageSize - 1)
	return a.memory[at : at+n+1]
}

const pageSize = 4096

func (a *actor) read(c Cue) (Take, error) {
	buf := a.awkward(c.N)
	if !a.queues[c.FD] {
		n, err := unix.Read(c.FD, buf[:c.N])
		return Take{Data: buf[:max(0, n)]}, err
	}
	n, _, errno := unix.Syscall6(unix.SYS_MQ_TIMEDRECEIVE, uintptr(c.FD), uintptr(unsafe.Pointer(&buf[0])),
		uintptr(c.N), 0, 0, 0)
	if errno != 0 {
		return Take{}, errno
	}
	return Take{Data: buf[:n]}, nil
}

func (a *actor) write(c Cue) (int, error) {
	p := a.awkward(len(c.Data))
	if copy(p, c.Data); !a.queues[c.FD] {
		return unix.Write(c.FD, p[:len(c.Data)])
	}
	_, _, errno := unix.Syscall6(unix.SYS_MQ_TIMEDSEND, uintptr(c.FD), uintptr(unsafe.Pointer(&p[0])),
		uintptr(len(c.Data)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return len(c.Data), nil
}

// fork starts a child that inherits a file, as after fork(2), and plays by the pipes Path and Flags. The
// file must not be O_NONBLOCK: exec.Cmd would take the flag away.
func (a *actor) fork(c Cue) error {
	fd, err := unix.FcntlInt(uintptr(c.FD), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), "inherited")
	defer file.Close()
	child := exec.Command("ipctool", "actor", c.Path, c.Flags)
	child.Stderr, child.ExtraFiles = os.Stderr, []*os.File{file}
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := child.Start(); err != nil {
		return err
	}
	a.children = append(a.children, child)
	return nil
}

// reset closes everything and waits for the children, which have been told to end.
func (a *actor) reset() {
	for fd := range a.files {
		_ = unix.Close(fd)
	}
	for _, p := range a.pollers {
		if ep, ok := p.(epollPoller); ok {
			_ = unix.Close(int(ep))
		}
	}
	for _, child := range a.children {
		_ = child.Wait()
	}
	*a = actor{files: map[int]bool{}, queues: map[int]bool{}, memory: a.memory}
}
