package sysv

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What include/uapi/linux/msg.h and ipc.h define and x/sys does not.
const (
	msgCopy    = 040000 // MSG_COPY, Linux 3.8, with CONFIG_CHECKPOINT_RESTORE
	msgExcept  = 020000 // MSG_EXCEPT
	msgInfo    = 12     // MSG_INFO
	msgStatAny = 13     // MSG_STAT_ANY, Linux 4.17: MSG_STAT that asks for no permission on the queue
)

// longWords is how many longs of the machine make 64 bits.
const longWords = 8 / unsafe.Sizeof(uintptr(0))

// msqid is struct msqid64_ds (include/uapi/asm-generic/msgbuf.h). A time is split in two on 32 bits.
type msqid struct {
	perm                 unix.SysvIpcPerm
	times                [3 * longWords]uintptr // of the last msgsnd, msgrcv and change
	cbytes, qnum, qbytes uintptr
	lspid, lrpid         int32
	_                    [2]uintptr
}

// time is one of the times, in whole seconds; zero if it never came.
func (d *msqid) time(i int) time.Time {
	sec := int64(d.times[i*int(longWords)])
	if longWords == 2 {
		sec |= int64(d.times[i*int(longWords)+1]) << 32
	}
	if sec == 0 {
		return time.Time{}
	}
	return time.Unix(sec, 0)
}

// setPermissions sets the nine bits in a mode, which has 16 bits on some machines and 32 on others.
func setPermissions[T uint16 | uint32](mode *T, to uint32) { *mode = *mode&^0777 | T(to&0777) }

// msginfo is struct msginfo: the limits of the ipc namespace, as MSG_INFO gives them.
type msginfo struct {
	msgpool                int32 // how many queues there are
	_                      int32
	msgmax, msgmnb, msgmni int32
	_, _                   int32
	_                      uint16
}

// msgget is msgget(2).
func msgget(key uint32, flags int) (int, error) {
	id, _, errno := unix.RawSyscall(unix.SYS_MSGGET, uintptr(key), uintptr(flags), 0)
	return msgResult(id, errno)
}

// msgctl is msgctl(2) with the commands that take a struct msqid_ds. MSG_STAT_ANY takes an id where
// msgctl(2) speaks of an index: the index is its low part, so the id that comes back must be compared.
func msgctl(id, cmd int, d *msqid) (int, error) {
	r, _, errno := unix.RawSyscall(unix.SYS_MSGCTL, uintptr(id), uintptr(cmd), uintptr(unsafe.Pointer(d)))
	return msgResult(r, errno)
}

// msgLimits is msgctl(2) with MSG_INFO: the limits, and the highest index in use, for MSG_STAT_ANY.
func msgLimits() (info msginfo, last int, err error) {
	r, _, errno := unix.RawSyscall(unix.SYS_MSGCTL, 0, msgInfo, uintptr(unsafe.Pointer(&info)))
	last, err = msgResult(r, errno)
	return info, last, err
}

// msgsnd is msgsnd(2) with IPC_NOWAIT: it does not block, so it is called without telling Go's scheduler. b
// is a struct msgbuf, a long and the bytes.
func msgsnd(id int, b []byte) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_MSGSND, uintptr(id),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)-longSize),
		unix.IPC_NOWAIT, 0, 0)
	_, err := msgResult(0, errno)
	return err
}

// msgrcv is msgrcv(2) with IPC_NOWAIT into a struct msgbuf, and returns the length of the bytes.
func msgrcv(id int, b []byte, typ, flags int) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_MSGRCV, uintptr(id),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)-longSize),
		uintptr(typ), uintptr(flags)|unix.IPC_NOWAIT, 0)
	return msgResult(n, errno)
}

// longSize is sizeof(long), which begins a struct msgbuf.
const longSize = int(unsafe.Sizeof(uintptr(0)))

// msgType is the type in a struct msgbuf.
func msgType(b []byte) *int { return (*int)(unsafe.Pointer(&b[0])) }

func msgResult(r uintptr, errno unix.Errno) (int, error) {
	switch errno {
	case 0:
		return int(r), nil
	case unix.ENOSYS: // a kernel without CONFIG_SYSVIPC
		// The answer must not be taken for one about FUSE.
		return -1, unix.EOPNOTSUPP
	}
	return -1, errno
}
