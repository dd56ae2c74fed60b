package ipctool

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A storm's programs move numbers while the daemon is killed again and again. A reader may be killed too: it
// receives straight into a shared mapping of a file, so that what it got is there.

// StormSlot is the room for one read in a reader's file, in bytes.
const StormSlot = 192

// StormType is how much of a slot is before a message of kind msg: its type.
const StormType = 8

// StormEnd is the message at which a reader ends.
const StormEnd = "end"

// stormEnd is one end of what a storm goes through.
type stormEnd struct {
	kind string // plain, lines, lease; mq and msg: native, of POSIX and System V
	fd   int
}

func stormOpen(kind, where string, flags int) (e stormEnd, err error) {
	e.kind = kind
	switch kind {
	case "mq":
		e.fd, err = mqOpen(where, flags, nil)
	case "msg":
		e.fd, err = msgID(where)
	case "lease":
		flags = unix.O_RDWR
		fallthrough
	default:
		e.fd, err = Retry(func() (int, error) { return unix.Open(where, flags|unix.O_CLOEXEC, 0) })
	}
	return e, err
}

func (e stormEnd) send(text string) error {
	if e.kind == "lines" {
		text += "\n"
	}
	_, err := Retry(func() (int, error) {
		switch e.kind {
		case "mq":
			return 0, mqSend(e.fd, []byte(text), 0)
		case "msg":
			return 0, msgsnd(e.fd, 1, text)
		}
		n, err := unix.Write(e.fd, []byte(text))
		if err == nil && n != len(text) {
			err = fmt.Errorf("%d bytes of %d were sent", n, len(text))
		}
		return n, err
	})
	return err
}

// receive gets what one read gives.
func (e stormEnd) receive(p []byte) (int, error) {
	return Retry(func() (int, error) {
		switch e.kind {
		case "mq":
			n, _, err := mqReceive(e.fd, p)
			return n, err
		case "msg":
			n, _, errno := unix.Syscall6(unix.SYS_MSGRCV, uintptr(e.fd), uintptr(unsafe.Pointer(&p[0])),
				uintptr(len(p)-StormType), 0, 0, 0)
			return int(n) + StormType, errnoErr(errno)
		}
		return unix.Read(e.fd, p)
	})
}

// signals has the thread get a signal every now and then, until stop is called.
func signals() (stop func()) {
	runtime.LockOSThread()
	pid, tid := os.Getpid(), unix.Gettid()
	tick := time.NewTicker(7 * time.Millisecond)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				_ = unix.Tgkill(pid, tid, unix.SIGURG)
			}
		}
	}()
	return func() { tick.Stop(); close(done) }
}

// stormSendCommand sends COUNT numbers from FROM on.
func stormSendCommand(args []string) error {
	if len(args) != 4 {
		return errUsage
	}
	from, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	defer signals()()
	e, err := stormOpen(args[0], args[1], unix.O_WRONLY)
	for i := from; err == nil && i < from+count; i++ {
		if err = e.send(strconv.Itoa(i)); err != nil {
			err = fmt.Errorf("%s: %d: %w", args[1], i, err)
		}
	}
	return err
}

// stormReceiveCommand receives into FILE, which has room for all, until it gets the end.
func stormReceiveCommand(args []string) error {
	if len(args) != 3 {
		return errUsage
	}
	f, err := os.OpenFile(args[2], os.O_RDWR, 0)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	room, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	defer signals()()
	e, err := stormOpen(args[0], args[1], unix.O_RDONLY)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for at := 0; at+StormSlot <= len(room); at += StormSlot {
		slot := room[at : at+StormSlot]
		n, err := e.receive(slot[:StormSlot-8])
		if err == nil && n == 0 {
			err = fmt.Errorf("the end of the file")
		}
		if err == nil && e.kind == "lease" {
			err = e.send("ack\n")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", args[1], err)
		}
		if e.kind == "msg" {
			slot = slot[StormType:]
		}
		if bytes.HasPrefix(slot, []byte(StormEnd)) {
			return nil
		}
	}
	return fmt.Errorf("%s: no room for more", args[1])
}
