package ipctool

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A mixEnd is one end of a queue, native (mq_open) or a file of the mount; both are used
// with plain system calls, which a signal ends with EINTR.
type mixEnd struct {
	native bool
	fd     int
}

func openMix(kind, where string, flags int) (e mixEnd, err error) {
	if e.native = kind == "native"; e.native {
		e.fd, err = mqOpen(where, flags, nil)
	} else {
		e.fd, err = Retry(func() (int, error) { return unix.Open(where, flags|unix.O_CLOEXEC, 0) })
	}
	return e, err
}

func (e mixEnd) send(p []byte) (int, error) {
	if !e.native {
		return unix.Write(e.fd, p)
	}
	_, _, errno := unix.Syscall6(unix.SYS_MQ_TIMEDSEND, uintptr(e.fd), uintptr(unsafe.Pointer(&p[0])),
		uintptr(len(p)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return len(p), nil
}

func (e mixEnd) receive(p []byte) (int, error) {
	if !e.native {
		return unix.Read(e.fd, p)
	}
	n, _, errno := unix.Syscall6(unix.SYS_MQ_TIMEDRECEIVE, uintptr(e.fd), uintptr(unsafe.Pointer(&p[0])),
		uintptr(len(p)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// disturbed calls f on a thread that gets SIGUSR1 at odd moments.
func disturbed(f func() error) error {
	noop()
	runtime.LockOSThread()
	pid, tid := unix.Getpid(), unix.Gettid()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond):
				_ = unix.Tgkill(pid, tid, unix.SIGUSR1)
			}
		}
	}()
	return f()
}

// mixSendCommand sends COUNT messages: 4 bytes of the sender's number, 4 of the message's.
func mixSendCommand(args []string) error {
	if len(args) != 4 {
		return errUsage
	}
	id, _ := strconv.Atoi(args[2])
	count, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	e, err := openMix(args[0], args[1], unix.O_WRONLY)
	if err != nil {
		return err
	}
	return disturbed(func() error {
		for i := range count {
			msg := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(id)), uint32(i))
			if n, err := Retry(func() (int, error) { return e.send(msg) }); err != nil || n != len(msg) {
				return fmt.Errorf("sender %d: message %d: %d bytes, %s", id, i, n, name(err))
			}
		}
		return nil
	})
}

// mixReceiveCommand writes what it receives to standard output, until a message of one byte.
func mixReceiveCommand(args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	e, err := openMix(args[0], args[1], unix.O_RDONLY)
	if err != nil {
		return err
	}
	var all []byte
	buf := make([]byte, 64)
	err = disturbed(func() error {
		for {
			n, err := Retry(func() (int, error) { return e.receive(buf) })
			if err != nil {
				return err
			}
			if n == 1 {
				return nil
			}
			all = append(all, buf[:n]...)
		}
	})
	if err == nil {
		_, err = os.Stdout.Write(all)
	}
	return err
}
