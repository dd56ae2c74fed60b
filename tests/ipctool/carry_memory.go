package ipctool

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapped reads and writes shared memory by read(2), write(2) and a mapping, and also opens it anew each time.
func (c *carrying) mapped() error {
	const size = 4096
	first, err := unix.Open(c.path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0600)
	if err != nil {
		return err
	}
	if err := unix.Ftruncate(first, size); err != nil {
		return err
	}
	mem, err := unix.Mmap(first, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	for i := uint64(1); !c.stopped(); i++ {
		*(*uint64)(unsafe.Pointer(&mem[0])) = i
		if err := c.pass(first, i); err != nil {
			return err
		}
		fd, err := c.open(unix.O_RDWR)
		if err != nil {
			return err
		}
		if err := c.pass(fd, i); err != nil {
			return err
		}
		if got := *(*uint64)(unsafe.Pointer(&mem[8])); got != i {
			return fmt.Errorf("the mapping has %d, %d was written", got, i)
		}
		if err := unix.Close(fd); err != nil {
			return err
		}
		if i == 10 {
			c.ready()
		}
	}
	return nil
}

// pass reads a number at 0, and writes it at 8.
func (c *carrying) pass(fd int, i uint64) error {
	b := make([]byte, 8)
	if n, err := unix.Pread(fd, b, 0); err != nil || n != 8 || *(*uint64)(unsafe.Pointer(&b[0])) != i {
		return fmt.Errorf("pread: %d, %v, %w, want %d", n, b, err, i)
	}
	if _, err := unix.Pwrite(fd, b, 8); err != nil {
		return fmt.Errorf("pwrite: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Size != 4096 {
		return fmt.Errorf("fstat: %d bytes, %w", st.Size, err)
	}
	return nil
}

// lock holds locks of a file, and checks later that they still hold.
func (c *carrying) lock() error {
	fd, err := unix.Open(c.path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0600)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Flock(fd, unix.LOCK_EX), lockBytes(fd, 10, 10)); err != nil {
		return err
	}
	c.ready()
	<-c.stop
	other, err := c.open(unix.O_RDWR)
	if err != nil {
		return err
	}
	if err := unix.Flock(other, unix.LOCK_EX|unix.LOCK_NB); err != unix.EWOULDBLOCK {
		return fmt.Errorf("flock: %w", err)
	}
	if err := lockBytes(other, 19, 1); err != unix.EAGAIN {
		return fmt.Errorf("a byte that is locked: %w", err)
	}
	if err := lockBytes(other, 20, 1); err != nil {
		return fmt.Errorf("a byte that is not locked: %w", err)
	}
	if err := unix.Flock(fd, unix.LOCK_UN); err != nil {
		return err
	}
	return unix.Flock(other, unix.LOCK_EX|unix.LOCK_NB)
}

func lockBytes(fd int, from, length int64) error {
	return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK,
		&unix.Flock_t{Type: unix.F_WRLCK, Start: from, Len: length})
}
