//go:build points

package backends

import (
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pointName is where the name of a point is in the file that IPCFS_POINT names, behind how often to pass it.
const pointName = 8

// Point ends the process as if it were killed, once, at the place that is asked for.
func Point(name string) {
	b := asked()
	if len(b) < pointName+len(name) || string(b[pointName:pointName+len(name)]) != name || b[pointName+len(name)] != 0 {
		return
	}
	if atomic.AddInt64((*int64)(unsafe.Pointer(&b[0])), -1) == -1 {
		clear(b)
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
}

// asked is the file, mapped.
var asked = sync.OnceValue(func() []byte {
	fd, err := unix.Open(os.Getenv("IPCFS_POINT"), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	b, _ := unix.Mmap(fd, 0, 64, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return b
})
