package ipctool

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// grantsCommand prints a line for each file: its path, and for which of reading (r), writing (w) and both
// (rw) open(2) is not refused for lack of permission.
func grantsCommand(paths []string) error {
	for _, path := range paths {
		granted := []string{path}
		for _, how := range []struct {
			word  string
			flags int
		}{{"r", unix.O_RDONLY}, {"w", unix.O_WRONLY}, {"rw", unix.O_RDWR}} {
			fd, err := Retry(func() (int, error) { return unix.Open(path, how.flags|unix.O_NONBLOCK|unix.O_CLOEXEC, 0) })
			switch {
			case err == nil:
				granted = append(granted, how.word)
				err = unix.Close(fd)
			case err == unix.EAGAIN:
				granted, err = append(granted, how.word), nil // there is no call to take
			case err == unix.EACCES:
				err = nil
			}
			if err != nil {
				return fmt.Errorf("%s for %s: %s", path, how.word, name(err))
			}
		}
		fmt.Println(strings.Join(granted, " "))
	}
	return nil
}
