package nodes

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

func TestErrno(t *testing.T) {
	for _, c := range []struct {
		err  error
		want syscall.Errno
	}{
		{nil, 0},
		{syscall.EAGAIN, syscall.EAGAIN},
		{backends.ErrWouldBlock, syscall.EAGAIN},
		{backends.ErrRemoved, syscall.EIDRM},
		{os.ErrNotExist, syscall.ENOENT},
		{fmt.Errorf("%w: why", syscall.EPERM), syscall.EPERM}, // which is os.ErrPermission too, as EACCES is
		{&Error{Errno: syscall.ENOTEMPTY}, syscall.ENOTEMPTY}, // os.ErrExist
		{&os.PathError{Err: syscall.ENOTDIR}, syscall.ENOTDIR},
		{fmt.Errorf("what"), syscall.EIO},
	} {
		if got := Errno(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}
