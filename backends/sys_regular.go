package backends

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNotRegular is the answer where a text is to be read or written and something else lies.
var ErrNotRegular = errors.New("not a regular file")

// openRegular opens the regular file called name below dir. Nothing else is opened: to open a device may do
// something, and a FIFO that somebody planted waits.
func openRegular(dir int, name string, flags int) (int, error) {
	at, err := OpenBeneath(dir, name, unix.O_PATH, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(at)
	return reopenRegular(at, flags)
}

// reopenRegular opens the file at an O_PATH descriptor.
func reopenRegular(at, flags int) (int, error) {
	a, err := Fstat(at)
	if err == nil && a.Type() != unix.S_IFREG {
		err = ErrNotRegular
	}
	if err != nil {
		return -1, err
	}
	return unix.Open(procPath(at), flags|unix.O_CLOEXEC, 0)
}

// ReadRegular reads a regular file that is at most most bytes long.
func ReadRegular(dir int, name string, most int64) ([]byte, error) {
	fd, err := openRegular(dir, name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("longer than %d bytes: %w", most, unix.EFBIG)
	}
	return text, err
}

// OpenRegular opens a regular file, or with O_CREAT makes it with a mode. Its directory is one where only
// the daemon's user makes files; what else lies there under the name, a symbolic link too, is not opened:
// ErrNotRegular.
func OpenRegular(name string, flags int, perm uint32) (*os.File, error) {
	for {
		at, err := unix.Open(name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		fd := -1
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ENOENT && flags&unix.O_CREAT != 0:
			fd, err = unix.Open(name, flags|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, perm)
			if err == unix.EEXIST {
				continue
			}
		case err == nil:
			fd, err = reopenRegular(at, flags&^unix.O_CREAT)
			unix.Close(at)
		}
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
		return os.NewFile(uintptr(fd), name), nil
	}
}
