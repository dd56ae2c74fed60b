package mqueue

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mqAttr is struct mq_attr of mq_getattr(3); all its fields are longs of the machine.
type mqAttr struct {
	Flags, MaxMsg, MsgSize, CurMsgs int
	_                               [4]int
}

// mqOpen is mq_open(2). The kernel's name has no leading slash. attr nil asks for the defaults of the ipc
// namespace.
func mqOpen(name string, flags int, mode uint32, attr *mqAttr) (int, error) {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return -1, err
	}
	fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(p)),
		uintptr(flags|unix.O_CLOEXEC), uintptr(mode),
		uintptr(unsafe.Pointer(attr)), 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
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

// mqSend is mq_timedsend(2) on a descriptor with O_NONBLOCK: it does not block, so it is called without
// telling Go's scheduler.
func mqSend(fd int, p []byte, prio uint32) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_MQ_TIMEDSEND, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		uintptr(prio), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// mqReceive is mq_timedreceive(2) on a descriptor with O_NONBLOCK.
func mqReceive(fd int, p []byte, prio *uint32) (n int, err error) {
	r, _, errno := unix.RawSyscall6(unix.SYS_MQ_TIMEDRECEIVE, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		uintptr(unsafe.Pointer(prio)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}

// mqGetattr is mq_getattr(3).
func mqGetattr(fd int) (a mqAttr, err error) {
	_, _, errno := unix.RawSyscall(unix.SYS_MQ_GETSETATTR, uintptr(fd), 0, uintptr(unsafe.Pointer(&a)))
	if errno != 0 {
		return mqAttr{}, errno
	}
	return a, nil
}

// openMqueue opens the root directory of the mqueue file system: of a mount of the daemon's own, or of
// /dev/mqueue.
func openMqueue() (int, error) {
	const magic = 0x19800202 // MQUEUE_MAGIC, ipc/mqueue.c
	dir, err := detachedMount("mqueue")
	if err == nil {
		return dir, nil
	}
	dir, err = unix.Open("/dev/mqueue", unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	var fs unix.Statfs_t
	if err = unix.Fstatfs(dir, &fs); err == nil && fs.Type != magic {
		err = unix.ENOENT
	}
	if err != nil {
		unix.Close(dir)
		return -1, err
	}
	return dir, nil
}
