package ipctool

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapped reads and writes shared memory by read(2), write(2) and a mapping, and opens it anew each time.
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
