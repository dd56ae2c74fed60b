package tests

import (
	"os"
	"sync"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// needsResend skips a test of what survives a worker where the kernel cannot do its part (before Linux 6.9).
func needsResend(t *testing.T) {
	t.Helper()
	if !haveResend() {
		t.Skip("the kernel has no FUSE_NOTIFY_RESEND")
	}
}

// haveResend asks the kernel, with a FUSE server other than the daemon.
var haveResend = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "resend")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	options := &fuse.MountOptions{DirectMount: true, FsName: "probe"}
	s, err := fuse.NewServer(fuse.NewDefaultRawFileSystem(), dir, options)
	if err != nil {
		return false
	}
	go s.Serve()
	defer s.Unmount()
	return s.WaitMount() == nil && s.KernelSettings().Flags64()&fuse.CAP_HAS_RESEND != 0
})
