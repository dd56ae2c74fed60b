package ipctool

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	msgExcept = 020000 // MSG_EXCEPT
)

// sysvKeyCommand is ftok(3): the low bits of the file's inode and device, and ID, which is a number.
func sysvKeyCommand(args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	id, err := strconv.ParseUint(args[1], 0, 8)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(args[0], &st); err != nil {
		return err
	}
	fmt.Printf("0x%08x\n", uint32(st.Ino&0xffff)|uint32(st.Dev&0xff)<<16|uint32(id)<<24)
	return nil
}

func msgget(key uint32, flags int) (int, error) {
	id, _, errno := unix.Syscall(unix.SYS_MSGGET, uintptr(key), uintptr(flags), 0)
	return int(id), errnoErr(errno)
}

// msgID finds a queue by its key, or by "id=N".
func msgID(name string) (int, error) {
	if id, ok := strings.CutPrefix(name, "id="); ok {
		return strconv.Atoi(id)
	}
	key, err := strconv.ParseUint(name, 0, 32)
	if err != nil {
		return -1, err
	}
	return msgget(uint32(key), 0)
}

// sysvNewCommand makes a queue with a key, or with none, and prints its id.
func sysvNewCommand(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	key, err := strconv.ParseUint(args[0], 0, 32)
	if args[0] == "IPC_PRIVATE" {
		key, err = unix.IPC_PRIVATE, nil
	}
	if err != nil {
		return err
	}
	id, err := msgget(uint32(key), unix.IPC_CREAT|unix.IPC_EXCL|0640)
	if err == nil {
		fmt.Println(id)
	}
	return err
}

// sysvSendCommand sends messages with msgsnd(2), waiting as long as the queue is full.
func sysvSendCommand(args []string) error {
	if len(args) < 3 {
		return errUsage
	}
	id, err := msgID(args[0])
	if err != nil {
		return err
	}
	typ, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	for _, text := range args[2:] {
		if err := msgsnd(id, typ, text); err != nil {
			return err
		}
	}
	return nil
}

func msgsnd(id, typ int, text string) error {
	b := make([]byte, 8+len(text))
	*(*int)(unsafe.Pointer(&b[0])) = typ
	copy(b[unsafe.Sizeof(typ):], text)
	_, err := Retry(func() (int, error) {
		_, _, errno := unix.Syscall6(unix.SYS_MSGSND, uintptr(id), uintptr(unsafe.Pointer(&b[0])),
			uintptr(len(text)), 0, 0, 0)
		return 0, errnoErr(errno)
	})
	return err
}

// sysvRecvCommand receives messages with msgrcv(2), waiting for each, and prints their types and
// texts. TYPE is msgtyp; with a ! in front any other type.
func sysvRecvCommand(args []string) error {
	count := 1
	if len(args) == 3 {
		count, _ = strconv.Atoi(args[2])
	}
	if len(args) < 2 || count < 1 {
		return errUsage
	}
	id, err := msgID(args[0])
	if err != nil {
		return err
	}
	flags := 0
	if strings.HasPrefix(args[1], "!") {
		flags = msgExcept
	}
	typ, err := strconv.Atoi(strings.TrimPrefix(args[1], "!"))
	if err != nil {
		return err
	}
	for range count {
		got, text, err := msgrcv(id, typ, flags)
		if err != nil {
			return err
		}
		fmt.Printf("%d %s\n", got, text)
	}
	return nil
}

func msgrcv(id, typ, flags int) (int, []byte, error) {
	b := make([]byte, 8+8192)
	n, err := Retry(func() (int, error) {
		n, _, errno := unix.Syscall6(unix.SYS_MSGRCV, uintptr(id), uintptr(unsafe.Pointer(&b[0])), 8192,
			uintptr(typ), uintptr(flags), 0)
		return int(n), errnoErr(errno)
	})
	text := b[unsafe.Sizeof(typ):]
	return *(*int)(unsafe.Pointer(&b[0])), text[:max(0, n)], err
}

// sysvRmCommand is IPC_RMID.
func sysvRmCommand(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	id, err := msgID(args[0])
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_MSGCTL, uintptr(id), unix.IPC_RMID, 0)
	return errnoErr(errno)
}

// sysvLsCommand shows the queues of the ipc namespace as proc(5) does: key,
// perms, bytes and messages, owner and creator.
func sysvLsCommand([]string) error {
	table, err := os.ReadFile("/proc/sysvipc/msg")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) < 11 || f[0] == "key" {
			continue
		}
		key, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			return err
		}
		fmt.Printf("0x%08x perms=%s cbytes=%s qnum=%s uid=%s gid=%s cuid=%s cgid=%s\n",
			uint32(key), f[2], f[3], f[4], f[7], f[8], f[9], f[10])
	}
	return nil
}
