package backends

import (
	"golang.org/x/sys/unix"
)

// Memory is an open shared memory object (shm_overview(7)): a regular file of the directory the kernel keeps them in. It is safe for
// concurrent use; none of its calls waits for another process.
type Memory struct{ fd int }

// OpenMemory opens an object that exists, for reading and writing if the daemon may, else for reading.
func OpenMemory(d *Dir, name string) (*Memory, error) {
	fd, err := openBeneath(d.fd, name, unix.O_RDWR, 0)
	if err == unix.EACCES {
		fd, err = openBeneath(d.fd, name, unix.O_RDONLY, 0)
	}
	fd, err = toStay(fd, err)
	if err != nil {
		return nil, err
	}
	st, err := fstat(fd)
	if err == nil && st.Type() != unix.S_IFREG {
		err = unix.ENXIO // a FIFO or a device, put there by somebody
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &Memory{fd}, nil
}

// Fd is the descriptor, valid until Close.
func (m *Memory) Fd() int { return m.fd }

// ReadAt is pread(2): short only at the end of the object.
func (m *Memory) ReadAt(p []byte, off int64) (int, error) { return unix.Pread(m.fd, p, off) }

// WriteAt is pwrite(2).
func (m *Memory) WriteAt(p []byte, off int64) (int, error) { return unix.Pwrite(m.fd, p, off) }

// Allocate is fallocate(2) with its modes.
func (m *Memory) Allocate(mode uint32, off, length int64) error {
	return unix.Fallocate(m.fd, mode, off, length)
}

// Seek is lseek(2) for SEEK_DATA and SEEK_HOLE, which do not depend on a file position.
func (m *Memory) Seek(off int64, whence int) (int64, error) { return unix.Seek(m.fd, off, whence) }

// Stat is fstat(2).
func (m *Memory) Stat() (Attr, error) { return fstat(m.fd) }

// Change sets attributes, of an object whose name is gone too.
func (m *Memory) Change(c Change) error { return apply(m.fd, c) }

// Close closes the object.
func (m *Memory) Close() error { return unix.Close(m.fd) }
