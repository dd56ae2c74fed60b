package bench

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// message is what msgop(2) sends and receives.
type message struct {
	kind int // a long
	text [1024]byte
}

// msgSend is msgsnd(2) of a message of type 1, of at most 1024 bytes.
func msgSend(id int, p []byte) error {
	m := message{kind: 1}
	n := copy(m.text[:], p)
	_, _, errno := unix.RawSyscall6(unix.SYS_MSGSND, uintptr(id), uintptr(unsafe.Pointer(&m)), uintptr(n), 0, 0, 0)
	return failed(errno)
}

// msgReceive is msgrcv(2) of the oldest message.
func msgReceive(id int, p []byte) (int, error) {
	var m message
	n, _, errno := unix.RawSyscall6(unix.SYS_MSGRCV, uintptr(id), uintptr(unsafe.Pointer(&m)), uintptr(len(m.text)),
		0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return copy(p, m.text[:n]), nil
}

// msgGet is msgget(2).
func msgGet(key, flags int) (int, error) {
	id, _, errno := unix.Syscall(unix.SYS_MSGGET, uintptr(key), uintptr(flags), 0)
	return int(id), failed(errno)
}

// msgCreate makes a queue that must not exist.
func msgCreate(key int) error {
	_, err := msgGet(key, unix.IPC_CREAT|unix.IPC_EXCL|0600)
	return err
}

// msgRemove is msgctl(2), IPC_RMID.
func msgRemove(key int) error {
	id, err := msgGet(key, 0)
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_MSGCTL, uintptr(id), unix.IPC_RMID, 0)
	return failed(errno)
}

// failed is an errno as an error, or none.
func failed(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
