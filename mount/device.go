package mount

import (
	"unsafe"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// device is an open /dev/fuse with a mount behind it (fuse(4)). It is safe for concurrent use.
type device struct{ fd int }

// read takes the next request; it blocks until there is one. ENODEV: the file system was unmounted;
// ECONNABORTED: it was aborted.
func (d device) read(p []byte) (int, error) {
	for {
		n, err := d.tryRead(p)
		if err != unix.EAGAIN {
			return n, err
		}
	}
}

// tryRead is read, but for EAGAIN: there is no request, and the device does not block.
func (d device) tryRead(p []byte) (int, error) {
	for {
		n, err := unix.Read(d.fd, p)
		switch err {
		case unix.EINTR, unix.ENOENT: // ENOENT: the request was interrupted before we took it
			continue
		}
		return n, err
	}
}

// write sends an answer or a notification. It does not block, so it is called without telling Go's scheduler.
func (d device) write(p []byte) error {
	_, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(d.fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	if errno != 0 {
		return errno
	}
	return nil
}

// tell is write that may block: Go's scheduler is told, so that all else goes on meanwhile.
func (d device) tell(p []byte) error {
	_, err := unix.Write(d.fd, p)
	return err
}

const (
	iocBackingOpen  = 0x4010e501 // FUSE_DEV_IOC_BACKING_OPEN
	iocBackingClose = 0x4004e502 // FUSE_DEV_IOC_BACKING_CLOSE
)

// BackingOpen registers fd as a file the kernel may read, write and map by itself (Linux 6.9; needs
// CAP_SYS_ADMIN). It will do so with the capabilities of this call.
func (d device) BackingOpen(fd int) (int32, error) {
	m := struct {
		fd    int32
		flags uint32
		_     uint64
	}{fd: int32(fd)}
	var id uintptr
	err := backends.Unprivileged(func() error {
		r, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d.fd), iocBackingOpen, uintptr(unsafe.Pointer(&m)))
		if errno != 0 {
			return errno
		}
		id = r
		return nil
	})
	return int32(id), err
}

// BackingClose ends a registration; files opened with it go on.
func (d device) BackingClose(id int32) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d.fd), iocBackingClose, uintptr(unsafe.Pointer(&id)))
	if errno != 0 {
		return errno
	}
	return nil
}

// probePassthrough finds out whether the kernel takes backing files from us by giving it one.
func (d device) probePassthrough() error {
	fd, err := unix.MemfdCreate("ipcfs-probe", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	id, err := d.BackingOpen(fd)
	if err != nil {
		return err
	}
	return d.BackingClose(id)
}
