package ipctool

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mqAttr is struct mq_attr of mq_getattr(3).
type mqAttr struct {
	flags, maxmsg, msgsize, curmsgs int
	_                               [4]int
}

// mqOpen is mq_open(2) without the leading slash that the C library takes off.
func mqOpen(name string, flags int, attr *mqAttr) (int, error) {
	p, err := unix.BytePtrFromString(strings.TrimPrefix(name, "/"))
	if err != nil {
		return -1, err
	}
	fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(p)),
		uintptr(flags|unix.O_CLOEXEC), 0666,
		uintptr(unsafe.Pointer(attr)), 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// MqUnlink is mq_unlink(3).
func MqUnlink(name string) error {
	p, err := unix.BytePtrFromString(strings.TrimPrefix(name, "/"))
	if err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(p)), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func mqCreateCommand(args []string) error {
	if len(args) != 3 {
		return errUsage
	}
	maxmsg, err1 := strconv.Atoi(args[1])
	msgsize, err2 := strconv.Atoi(args[2])
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	_, err := mqOpen(args[0], unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, &mqAttr{maxmsg: maxmsg, msgsize: msgsize})
	return err
}

func mqUnlinkCommand(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	return MqUnlink(args[0])
}

// mqSendCommand sends messages with mq_send(3), waiting as long as the queue is full.
func mqSendCommand(args []string) error {
	if len(args) < 3 {
		return errUsage
	}
	prio, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	fd, err := mqOpen(args[0], unix.O_WRONLY, nil)
	if err != nil {
		return err
	}
	for _, msg := range args[2:] {
		if _, err := Retry(func() (int, error) { return 0, mqSend(fd, []byte(msg), prio) }); err != nil {
			return err
		}
	}
	return nil
}

// mqSend is mq_send(3).
func mqSend(fd int, msg []byte, prio int) error {
	p := append(msg, 0) // never empty: the address must be good
	_, _, errno := unix.Syscall6(unix.SYS_MQ_TIMEDSEND, uintptr(fd), uintptr(unsafe.Pointer(&p[0])),
		uintptr(len(msg)), uintptr(prio), 0, 0)
	return errnoErr(errno)
}

// mqReceive is mq_receive(3).
func mqReceive(fd int, p []byte) (n, prio int, err error) {
	var level uint32
	got, _, errno := unix.Syscall6(unix.SYS_MQ_TIMEDRECEIVE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])),
		uintptr(len(p)),
		uintptr(unsafe.Pointer(&level)), 0, 0)
	return int(got), int(level), errnoErr(errno)
}

// mqRecvCommand receives messages with mq_receive(3), waiting for each, and prints priority and text.
func mqRecvCommand(args []string) error {
	count := 1
	if len(args) == 2 {
		count, _ = strconv.Atoi(args[1])
	}
	if len(args) < 1 || count < 1 {
		return errUsage
	}
	fd, err := mqOpen(args[0], unix.O_RDONLY, nil)
	if err != nil {
		return err
	}
	attr, err := mqGetattr(fd)
	if err != nil {
		return err
	}
	buf := make([]byte, attr.msgsize)
	for range count {
		prio := 0
		n, err := Retry(func() (n int, err error) { n, prio, err = mqReceive(fd, buf); return })
		if err != nil {
			return err
		}
		fmt.Printf("%d %s\n", prio, buf[:n])
	}
	return nil
}

func mqGetattr(fd int) (a mqAttr, err error) {
	_, _, errno := unix.Syscall(unix.SYS_MQ_GETSETATTR, uintptr(fd), 0, uintptr(unsafe.Pointer(&a)))
	return a, errnoErr(errno)
}

func mqAttrCommand(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	fd, err := mqOpen(args[0], unix.O_RDONLY, nil)
	if err != nil {
		return err
	}
	a, err := mqGetattr(fd)
	fmt.Printf("maxmsg=%d msgsize=%d curmsgs=%d\n", a.maxmsg, a.msgsize, a.curmsgs)
	return err
}

// mqUsedCommand prints how many bytes of RLIMIT_MSGQUEUE its user has used:
// under a limit just above that, a queue can be made.
func mqUsedCommand([]string) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MSGQUEUE, &limit); err != nil {
		return err
	}
	low, high := uint64(0), limit.Max
	for high-low > 512 {
		limit.Cur = low + (high-low)/2 // there may be no limit: high is the largest number then
		if err := unix.Setrlimit(unix.RLIMIT_MSGQUEUE, &limit); err != nil {
			return err
		}
		fd, err := mqOpen("ipctool.used", unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, &mqAttr{maxmsg: 1, msgsize: 1})
		if err == unix.EMFILE {
			low = limit.Cur
			continue
		}
		if err != nil {
			return err
		}
		high = limit.Cur
		if err := errors.Join(unix.Close(fd), MqUnlink("ipctool.used")); err != nil {
			return err
		}
	}
	_, err := fmt.Println(high)
	return err
}

// mqLsCommand lists the queues of the ipc namespace through a mount of the mqueue file system of its own.
func mqLsCommand([]string) error {
	names, err := NativeQueues()
	for _, name := range names {
		fmt.Fprintln(os.Stdout, name)
	}
	return err
}

// NativeQueues lists the queues of the ipc namespace without the daemon's help.
func NativeQueues() ([]string, error) {
	fd, err := mountQueues()
	if err == unix.EPERM { // an ordinary user has the mount that there is
		fd, err = unix.Open("/dev/mqueue", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, err
	}
	dir := os.NewFile(uintptr(fd), "mqueue")
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// mountQueues opens a mount of the mqueue file system that no path leads to.
func mountQueues() (int, error) {
	fs, err := unix.Fsopen("mqueue", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	mnt, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(mnt)
	return unix.Openat(mnt, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

func errnoErr(e unix.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}
