package backends

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// errNotRegular is the answer where a text is to be read and something else lies.
var errNotRegular = errors.New("not a regular file")

// openRegular opens the regular file called name below dir. Nothing else is opened: to open a device may do something, and a FIFO that
// somebody planted waits.
func openRegular(dir int, name string, flags int) (int, error) {
	at, err := openBeneath(dir, name, unix.O_PATH, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(at)
	a, err := fstat(at)
	if err == nil && a.Type() != unix.S_IFREG {
		err = errNotRegular
	}
	if err != nil {
		return -1, err
	}
	return unix.Open(procPath(at), flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
}

// readRegular reads a regular file that is at most most bytes long.
func readRegular(dir int, name string, most int64) ([]byte, error) {
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
