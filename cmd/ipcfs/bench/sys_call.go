package bench

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls that are measured go to the kernel without telling Go's scheduler, even where they block: a
// process of a run has nothing else to do, and so costs what a C program would.

func rawRead(fd int, p []byte) (int, error)  { return raw(unix.SYS_READ, fd, p) }
func rawWrite(fd int, p []byte) (int, error) { return raw(unix.SYS_WRITE, fd, p) }

// mqSend is mq_send(3) at priority 0.
func mqSend(fd int, p []byte) error {
	_, err := raw(unix.SYS_MQ_TIMEDSEND, fd, p)
	return err
}

// mqReceive is mq_receive(3).
func mqReceive(fd int, p []byte) (int, error) { return raw(unix.SYS_MQ_TIMEDRECEIVE, fd, p) }

func raw(call uintptr, fd int, p []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
			uintptr(len(p)), 0, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// mqOpen is mq_open(3) of a queue that exists.
func mqOpen(name string, flags int) (int, error) {
	return mqOpenAttr(name, flags, nil)
}

// mqCreate makes a queue that must not exist.
func mqCreate(name string, maxmsg, msgsize int) error {
	fd, err := mqOpenAttr(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, &[8]int{1: maxmsg, 2: msgsize})
	if err != nil {
		return &nativeError{err}
	}
	return unix.Close(fd)
}

// mqOpenAttr is mq_open(2) with a struct mq_attr (mq_getattr(3)), whose fields are longs.
func mqOpenAttr(name string, flags int, attr *[8]int) (int, error) {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return -1, err
	}
	fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(p)),
		uintptr(flags|unix.O_CLOEXEC), 0600,
		uintptr(unsafe.Pointer(attr)), 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// mqMsgsize is mq_msgsize of a queue (mq_getattr(3)).
func mqMsgsize(fd int) (int, error) {
	var attr [8]int
	_, _, errno := unix.RawSyscall(unix.SYS_MQ_GETSETATTR, uintptr(fd), 0, uintptr(unsafe.Pointer(&attr)))
	if errno != 0 {
		return 0, errno
	}
	return attr[2], nil
}

// mqUnlink is mq_unlink(2).
func mqUnlink(name string) error {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(p)), 0, 0); errno != 0 {
		return errno
	}
	return nil
}
