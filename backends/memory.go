package backends

import (
	"golang.org/x/sys/unix"
)

// Memory is an open shared memory object (shm_overview(7)): a regular file of the directory the kernel
// keeps them in. It is safe for concurrent use; none of its calls waits for another process.
type Memory struct {
	fd       int
	readOnly error // why it is open for reading only
	locks    Locks
	lists    *unlisted // nil: it can have no access control list
}

// OpenMemory opens an object that exists, for reading and writing if the daemon may, else for reading (see
// Writable). It answers ESTALE if it is not the object that was judged.
func OpenMemory(d *Dir, r Ref) (*Memory, error) {
	var readOnly error
	fd, err := OpenBeneath(d.fd, r.Path, unix.O_RDWR, 0)
	if err == unix.EACCES || err == unix.EPERM || err == unix.EROFS {
		readOnly = err
		fd, err = OpenBeneath(d.fd, r.Path, unix.O_RDONLY, 0)
	}
	fd, err = ToStay(fd, err)
	if err != nil {
		return nil, d.Why(err)
	}
	st, err := d.fstat(fd)
	switch {
	case err != nil:
	case st.Type() != unix.S_IFREG:
		err = unix.ENXIO // a FIFO or a device, put there by somebody
	default:
		err = r.Judged(st)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &Memory{fd: fd, readOnly: readOnly, lists: d.lists}, nil
}

// ReopenMemory is the object open at fd, which an earlier process had opened with OpenMemory, whether or not it
// has a name by now. fd is the Memory's from then on, unless it is another object: ESTALE.
func ReopenMemory(d *Dir, r Ref, fd int) (*Memory, error) {
	m := &Memory{fd: fd, lists: d.lists}
	a, err := m.Stat()
	if err == nil && a.Type() != unix.S_IFREG {
		err = unix.ESTALE
	}
	if err == nil {
		err = r.Is(a)
	}
	if err != nil {
		return nil, err
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err == nil && flags&unix.O_ACCMODE == unix.O_RDONLY {
		again, err := unix.Open(procPath(fd), unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err == nil { // it may by now
			unix.Close(again)
			err = unix.EACCES
		}
		m.readOnly = err
	}
	return m, nil
}

// MemoryAt is the object open at fd for reading and writing, which is the Memory's from then on.
func MemoryAt(fd int) *Memory { return &Memory{fd: fd} }

// Fd is the descriptor, valid until Close.
func (m *Memory) Fd() int { return m.fd }

// Carried reports that the kernel may carry the bytes itself.
func (*Memory) Carried() bool { return true }

// ReadAt is pread(2): short only at the end of the object.
func (m *Memory) ReadAt(p []byte, off int64) (int, error) { return unix.Pread(m.fd, p, off) }

// WriteAt is pwrite(2) without root's rights: it clears set-ID bits, and ends where a user's quota does.
func (m *Memory) WriteAt(p []byte, off int64) (n int, err error) {
	return n, Unprivileged(func() error {
		n, err = unix.Pwrite(m.fd, p, off)
		return err
	})
}

// Allocate is fallocate(2) with its modes.
func (m *Memory) Allocate(mode uint32, off, length int64) error {
	return Unprivileged(func() error { return unix.Fallocate(m.fd, mode, off, length) })
}

// Sync is fsync(2), which waits for the disk if there is one behind it.
func (m *Memory) Sync() error { return unix.Fsync(m.fd) }

// Seek is lseek(2) for SEEK_DATA and SEEK_HOLE, which do not depend on a file position.
func (m *Memory) Seek(off int64, whence int) (int64, error) { return unix.Seek(m.fd, off, whence) }

// Stat is fstat(2), with the mode that the access control list grants.
func (m *Memory) Stat() (Attr, error) { return m.lists.fstat(m.fd) }

// Change sets attributes, of an object whose name is gone too.
func (m *Memory) Change(c Change) error {
	if c.Size != nil {
		if err := m.Writable(); err != nil {
			return err
		}
	}
	return Apply(m.fd, c)
}

// Writable says why the object cannot be opened for writing as it is now: EPERM if it is immutable or
// append-only (chattr(1)), or what the daemon was told when it opened the object. A file that is
// append-only is not for O_APPEND either, as its one descriptor here is not.
func (m *Memory) Writable() error {
	const frozen = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND
	var st unix.Statx_t
	if err := unix.Statx(m.fd, "", unix.AT_EMPTY_PATH, 0, &st); err != nil {
		return err
	}
	if st.Attributes&frozen != 0 {
		return unix.EPERM
	}
	return m.readOnly
}

// Locks are those that users of the mount hold of it.
func (m *Memory) Locks() *Locks { return m.locks.of(m.fd) }

// Close closes the object, and gives back its locks.
func (m *Memory) Close() error {
	m.locks.close()
	return unix.Close(m.fd)
}
