package tests

import (
	"os"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// havePassthrough reports whether the kernel takes backing files from the user who runs the
// tests. It tries, with a FUSE server other than the daemon.
var havePassthrough = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "passthrough")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	options := &fuse.MountOptions{DirectMountStrict: true, MaxStackDepth: 1, FsName: "probe"}
	s, err := fuse.NewServer(fuse.NewDefaultRawFileSystem(), dir, options)
	if err != nil {
		return false
	}
	go s.Serve()
	defer s.Unmount()
	if s.WaitMount() != nil {
		return false
	}
	fd, err := unix.MemfdCreate("probe", unix.MFD_CLOEXEC)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	id, errno := s.RegisterBackingFd(&fuse.BackingMap{Fd: int32(fd)})
	return errno == 0 && s.UnregisterBackingFd(id) == 0
})
