package tests

import (
	"encoding/binary"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// needsResend skips a test of what survives a worker where the kernel cannot do its part (before Linux 6.9).
func needsResend(t *testing.T) {
	t.Helper()
	if !haveResend() {
		t.Skip("the kernel has no FUSE_NOTIFY_RESEND")
	}
}

// haveResend reports whether the kernel brings requests again that were not answered.
var haveResend = sync.OnceValue(func() bool {
	return probe(&fuse.MountOptions{DirectMount: true}, func(s *fuse.Server) bool {
		return s.KernelSettings().Flags64()&fuse.CAP_HAS_RESEND != 0
	})
})

// havePassthrough reports whether the kernel takes backing files from the user who runs the tests.
var havePassthrough = sync.OnceValue(func() bool {
	return probe(&fuse.MountOptions{DirectMountStrict: true, MaxStackDepth: 1}, func(s *fuse.Server) bool {
		fd, err := unix.MemfdCreate("probe", unix.MFD_CLOEXEC)
		if err != nil {
			return false
		}
		defer unix.Close(fd)
		id, errno := s.RegisterBackingFd(&fuse.BackingMap{Fd: int32(fd)})
		return errno == 0 && s.UnregisterBackingFd(id) == 0
	})
})

// haveUnixDiag reports whether the kernel tells of Unix sockets (sock_diag(7)): it may have no such module.
var haveUnixDiag = sync.OnceValue(func() bool {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	ask := struct {
		unix.NlMsghdr
		family uint8
		_      [23]uint8
	}{family: unix.AF_UNIX}
	const byFamily = 20 // SOCK_DIAG_BY_FAMILY
	ask.Len, ask.Type, ask.Flags = uint32(unsafe.Sizeof(ask)), byFamily, unix.NLM_F_REQUEST|unix.NLM_F_DUMP
	if _, err := unix.Write(fd, unsafe.Slice((*byte)(unsafe.Pointer(&ask)), ask.Len)); err != nil {
		return false
	}
	answer := make([]byte, 1<<16)
	n, err := unix.Read(fd, answer)
	return err == nil && n >= unix.SizeofNlMsghdr && binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR
})

// probe asks the kernel with a FUSE server other than the daemon. Its mount is in a namespace of its own:
// else one that a test makes meanwhile has a copy of it, and the server, whose end is waited for, serves that
// (TestProbe).
func probe(options *fuse.MountOptions, ask func(*fuse.Server) bool) bool {
	answer := make(chan bool)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		answer <- unix.Unshare(unix.CLONE_NEWNS) == nil && probeHere(options, ask)
	}()
	return <-answer
}

func probeHere(options *fuse.MountOptions, ask func(*fuse.Server) bool) bool {
	dir, err := os.MkdirTemp("", "probe")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	options.FsName = "probe"
	s, err := fuse.NewServer(fuse.NewDefaultRawFileSystem(), dir, options)
	if err != nil {
		return false
	}
	go s.Serve()
	defer s.Unmount()
	return s.WaitMount() == nil && ask(s)
}

// TestProbe: a probe ends, whatever namespaces tests make meanwhile.
func TestProbe(t *testing.T) {
	t.Parallel()
	over, ended := make(chan bool), make(chan bool, 1)
	defer close(over)
	go func() {
		ended <- probe(&fuse.MountOptions{DirectMount: true}, func(*fuse.Server) bool {
			made := make(chan error)
			go func() {
				runtime.LockOSThread()
				made <- unix.Unshare(unix.CLONE_NEWNS)
				<-over
			}()
			return <-made == nil
		})
	}()
	select {
	case made := <-ended:
		if !made {
			t.Error("no mount, or no namespace")
		}
	case <-time.After(patience):
		t.Error("it has no end")
	}
}
