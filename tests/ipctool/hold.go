package ipctool

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// holdCommand holds the kernel's lock of a directory, so that names in it can be neither looked up nor made:
// it lists the directory into a page that does not come (userfaultfd(2)), while another thread makes a name
// there. Then it makes the file HELD, and it ends when the file RELEASE is there. Whoever can mount a FUSE
// file system, as any user in a user namespace of theirs, can do so without root.
func holdCommand(args []string) error {
	if len(args) != 3 {
		return errUsage
	}
	dir, err := unix.Open(args[0], unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	page, faults, err := stuckPage()
	if err != nil {
		return fmt.Errorf("userfaultfd: %w", err)
	}
	listed, made := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(listed)
		_, _, _ = unix.Syscall(unix.SYS_GETDENTS64, uintptr(dir), uintptr(unsafe.Pointer(&page[0])),
			uintptr(len(page)))
	}()
	var fault [32]byte // struct uffd_msg
	if _, err := unix.Read(faults, fault[:]); err != nil {
		return err
	}
	maker := make(chan int)
	go func() {
		defer close(made)
		runtime.LockOSThread()
		maker <- unix.Gettid()
		_ = unix.Mkdirat(dir, "made", 0700)
	}()
	at := fmt.Sprintf("/proc/self/task/%d", <-maker)
	if !Eventually(holdPatience, func() bool { return ProcState(at) == "D" }) {
		return errors.New("the lock is not held")
	}
	if err := os.WriteFile(args[1], nil, 0644); err != nil {
		return err
	}
	Eventually(holdPatience, func() bool { return unix.Access(args[2], unix.F_OK) == nil })
	unix.Close(faults) // the page is one of zeros from now on
	<-listed
	<-made
	return nil
}

// holdPatience is how long it waits for anything.
const holdPatience = 30 * time.Second

// stuckPage is a page of memory: a thread that touches it waits until faults is closed.
func stuckPage() (page []byte, faults int, err error) {
	page, err = unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, -1, err
	}
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0)
	if errno != 0 {
		return nil, -1, errno
	}
	const api, register = 0xc018aa3f, 0xc020aa00 // UFFDIO_API, UFFDIO_REGISTER (linux/userfaultfd.h)
	hello := [3]uint64{0xaa}
	missing := [4]uint64{uint64(uintptr(unsafe.Pointer(&page[0]))), uint64(len(page)), 1}
	for _, call := range []struct {
		op  uintptr
		arg unsafe.Pointer
	}{{api, unsafe.Pointer(&hello)}, {register, unsafe.Pointer(&missing)}} {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, call.op, uintptr(call.arg)); errno != 0 {
			return nil, -1, errno
		}
	}
	return page, int(fd), nil
}
