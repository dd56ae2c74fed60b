package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// toolCommands are the subcommands of ipctool, which does for scripts what a C program would do: one system call for each step, and
// errors by their names in errno.h.
var toolCommands = map[string]struct {
	usage string
	run   func(args []string) error
}{
	"file":       {"FLAG,… PATH OP…", toolFile},
	"map":        {"PATH OP…", toolMap},
	"mq-create":  {"NAME MAXMSG MSGSIZE", toolMqCreate},
	"mq-send":    {"NAME PRIO MSG…", toolMqSend},
	"mq-recv":    {"NAME [COUNT]", toolMqRecv},
	"mq-attr":    {"NAME", toolMqAttr},
	"mq-unlink":  {"NAME", toolMqUnlink},
	"mq-ls":      {"", toolMqLs},
	"mq-used":    {"", toolMqUsed},
	"sysv-key":   {"FILE ID", toolSysvKey},
	"sysv-new":   {"KEY|IPC_PRIVATE", toolSysvNew},
	"sysv-send":  {"KEY|id=N TYPE MSG…", toolSysvSend},
	"sysv-recv":  {"KEY|id=N TYPE|!TYPE [COUNT]", toolSysvRecv},
	"sysv-rm":    {"KEY|id=N", toolSysvRm},
	"sysv-ls":    {"", toolSysvLs},
	"poll":       {"poll|select|epoll|epollet in|out FLAG COMMAND FILE…", toolPoll},
	"lock":       {"flock|fcntl|ofd wait|try PATH COMMAND", toolLock},
	"serve":      {"stream|dgram|seqpacket PATH CLIENTS", toolServe},
	"dial":       {"stream|dgram|seqpacket PATH MSG…", toolDial},
	"talk":       {"", toolTalk},
	"pump":       {"OUT IN COUNT TAG", toolPump},
	"produce":    {"PATH FROM COUNT", toolProduce},
	"consume":    {"PATH", toolConsume},
	"as":         {"UID COMMAND…", toolAs},
	"limit":      {"msgqueue|nofile N COMMAND…", toolLimit},
	"mix-send":   {"native|mount WHERE ID COUNT", toolMixSend},
	"mix-recv":   {"native|mount WHERE", toolMixReceive},
	"sleepers":   {"COUNT FILE…", toolSleepers},
	"fifo-burst": {"PATH LETTER COUNT", toolFifoBurst},
	"actor":      {"[IN OUT]", toolActor},
	"fan-read":   {"file|stream|seqpacket PATH BYTES SIZE", toolFanRead},
	"fan-serve":  {"stream|seqpacket PATH READERS COUNT SIZE", toolFanServe},
	"fan-pub":    {"file|stream|seqpacket PATH COUNT SIZE", toolFanPublish},
}

func toolMain() {
	if len(os.Args) < 2 {
		fail(errors.New("usage: ipctool COMMAND …"))
	}
	c, ok := toolCommands[os.Args[1]]
	if !ok {
		fail(fmt.Errorf("%s: no such command", os.Args[1]))
	}
	err := c.run(os.Args[2:])
	if errors.Is(err, errUsage) {
		err = fmt.Errorf("usage: ipctool %s %s", os.Args[1], c.usage)
	}
	if err != nil {
		fail(err)
	}
}

var errUsage = errors.New("usage")

func fail(err error) {
	fmt.Fprintln(os.Stderr, "ipctool:", name(err))
	os.Exit(1)
}

// name is an error as errno.h calls it.
func name(err error) string {
	if err == nil {
		return "no error"
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		if s := unix.ErrnoName(errno); s != "" {
			return s
		}
	}
	return err.Error()
}

// retry repeats a system call that a signal interrupted, as Go's own do.
func retry[T any](call func() (T, error)) (T, error) {
	for {
		v, err := call()
		if err != unix.EINTR {
			return v, err
		}
	}
}

var openFlags = map[string]int{
	"rdonly": unix.O_RDONLY, "wronly": unix.O_WRONLY, "rdwr": unix.O_RDWR, "nonblock": unix.O_NONBLOCK, "creat": unix.O_CREAT,
	"excl": unix.O_EXCL, "trunc": unix.O_TRUNC, "append": unix.O_APPEND, "direct": unix.O_DIRECT,
}

// openFile opens path with flags as in "rdwr,nonblock".
func openFile(path, flags string) (int, error) {
	how, err := openMode(flags)
	if err != nil {
		return -1, err
	}
	return retry(func() (int, error) { return unix.Open(path, how, 0666) })
}

// openMode is the flags of open(2).
func openMode(flags string) (int, error) {
	how := unix.O_CLOEXEC
	for f := range strings.SplitSeq(flags, ",") {
		bit, ok := openFlags[f]
		if !ok {
			return 0, errUsage
		}
		how |= bit
	}
	return how, nil
}

// shell is a command of the script's, which shows what it prints and does not outlive the helper.
func shell(command string, files ...*os.File) *exec.Cmd {
	cmd := exec.Command("sh", "-c", command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdin, os.Stdout, os.Stderr, files
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// toolFile opens a file and does one operation after the other, printing what each gave.
func toolFile(args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	fd, err := openFile(args[1], args[0])
	if err != nil {
		fmt.Println("open", name(err))
		return nil
	}
	for _, op := range args[2:] {
		op, arg, _ := strings.Cut(op, "=")
		result, err := fileOp(fd, op, arg)
		if err == errUsage {
			return err
		}
		if err != nil {
			result = name(err)
		}
		fmt.Println(op, result)
	}
	return unix.Close(fd)
}

func fileOp(fd int, op, arg string) (string, error) {
	arg, at, _ := strings.Cut(arg, "@")
	n, _ := strconv.Atoi(arg)
	off, _ := strconv.ParseInt(at, 10, 64)
	buf := make([]byte, n)
	switch op {
	case "read": // read=SIZE
		got, err := retry(func() (int, error) { return unix.Read(fd, buf) })
		return strconv.Quote(string(buf[:max(0, got)])), err
	case "pread": // pread=SIZE@OFFSET
		got, err := retry(func() (int, error) { return unix.Pread(fd, buf, off) })
		return strconv.Quote(string(buf[:max(0, got)])), err
	case "write": // write=TEXT
		got, err := retry(func() (int, error) { return unix.Write(fd, []byte(arg)) })
		return strconv.Itoa(got), err
	case "fill": // fill=SIZE writes that many bytes
		got, err := retry(func() (int, error) { return unix.Write(fd, []byte(strings.Repeat("x", n))) })
		return strconv.Itoa(got), err
	case "seek": // seek=OFFSET from the beginning
		got, err := unix.Seek(fd, int64(n), unix.SEEK_SET)
		return strconv.FormatInt(got, 10), err
	case "hole", "data": // hole=OFFSET
		whence := map[string]int{"hole": unix.SEEK_HOLE, "data": unix.SEEK_DATA}[op]
		got, err := unix.Seek(fd, int64(n), whence)
		return strconv.FormatInt(got, 10), err
	case "fallocate": // fallocate=SIZE
		return "ok", unix.Fallocate(fd, 0, 0, int64(n))
	case "punch": // punch=SIZE@OFFSET
		return "ok", unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, int64(n))
	case "truncate":
		return "ok", unix.Ftruncate(fd, int64(n))
	case "fsync":
		return "ok", unix.Fsync(fd)
	case "size":
		var st unix.Stat_t
		err := unix.Fstat(fd, &st)
		return strconv.FormatInt(st.Size, 10), err
	case "nonblock", "block", "packets": // fcntl(F_SETFL)
		return "ok", setFlag(fd, op)
	case "poll": // what is ready now
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLOUT}}
		_, err := retry(func() (int, error) { return unix.Poll(fds, 0) })
		return events(int(fds[0].Revents)), err
	case "sh": // sh=COMMAND runs it while the file is open
		return "ok", shell(arg).Run()
	}
	return "", errUsage
}

// setFlag changes a flag of the open file with fcntl(F_SETFL).
func setFlag(fd int, op string) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	switch op {
	case "nonblock":
		flags |= unix.O_NONBLOCK
	case "block":
		flags &^= unix.O_NONBLOCK
	case "packets":
		flags |= unix.O_DIRECT
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags)
	return err
}

// events names bits of poll(2).
func events(bits int) string {
	var names []string
	for _, e := range []struct {
		bit  int
		name string
	}{{unix.POLLIN, "IN"}, {unix.POLLOUT, "OUT"}, {unix.POLLERR, "ERR"}, {unix.POLLHUP, "HUP"}} {
		if bits&e.bit != 0 {
			names = append(names, e.name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, "|")
}

// toolAs becomes another user and then the command.
func toolAs(args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	id, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setresgid(id, id, id); err != nil {
		return err
	}
	if err := syscall.Setresuid(id, id, id); err != nil {
		return err
	}
	return become(args[1:])
}

// toolLimit sets a resource limit and becomes the command.
func toolLimit(args []string) error {
	what := map[string]int{"msgqueue": unix.RLIMIT_MSGQUEUE, "nofile": unix.RLIMIT_NOFILE}
	if len(args) < 3 {
		return errUsage
	}
	n, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	if err := unix.Setrlimit(what[args[0]], &unix.Rlimit{Cur: n, Max: n}); err != nil {
		return err
	}
	return become(args[2:])
}

func become(args []string) error {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return syscall.Exec(path, args, os.Environ())
}

// noop lets SIGUSR1 interrupt system calls and do nothing else.
func noop() { signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR1) }

// disturbable is noop for a caller that stays on its thread, and tells which thread that is.
func disturbable() {
	runtime.LockOSThread()
	noop()
	fmt.Println("TID", os.Getpid(), unix.Gettid())
}
