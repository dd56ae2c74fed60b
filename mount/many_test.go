package mount

import (
	"os"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// TestTooManyFiles: a user has as many files open as one user may. An open that is refused for that makes
// no object either, whatever its name is.
func TestTooManyFiles(t *testing.T) {
	k := newKernel(t)
	dir := k.lookup(k.lookup(fuse.FUSE_ROOT_ID, "sockets"), "tcp")
	errno := syscall.Errno(0)
	for errno == 0 {
		var open fuse.OpenIn
		errno, _ = k.ask(request(&open.InHeader, opOpendir, dir, bytesOf(&open)))
	}
	if errno != syscall.ENFILE {
		t.Fatal(errno)
	}
	create := fuse.CreateIn{Flags: syscall.O_CREAT | syscall.O_WRONLY, Mode: syscall.S_IFREG | 0600}
	errno, _ = k.ask(request(&create.InHeader, opCreate, dir, bytesOf(&create), append([]byte(":0"), 0)...))
	if list, err := os.ReadDir(k.state + "/sockets/tcp"); errno != syscall.ENFILE || err != nil || len(list) > 0 {
		t.Errorf("%v, and there is %v (%v)", errno, list, err)
	}
}
