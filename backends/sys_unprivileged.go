package backends

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Capabilities by which root's writes and creations go past what others are held to (capabilities(7)), as
// sets.
const (
	keepSetID   = 1 << unix.CAP_FSETID       // a write leaves set-ID bits as they are
	exceedSpace = 1 << unix.CAP_SYS_RESOURCE // quotas and reserved blocks are no bounds
)

// nobody is a user who has nothing, not even what file systems may keep for 65534.
const nobody = -2

// Unprivileged calls f, which writes what others ask for, or opens what they will write through, so that
// the kernel judges it as a write of theirs: it clears set-ID bits, and ends where their quota does, and
// before the blocks that a file system keeps for root (setfsuid(2)). Linux keeps all this by thread; f must
// not change threads. f's error is returned, or that of the change.
func Unprivileged(f func() error) error {
	return without(keepSetID|exceedSpace, func() error {
		was, err := unix.SetfsuidRetUid(nobody)
		if err != nil {
			return err
		}
		defer unix.SetfsuidRetUid(was)
		return f()
	})
}

// without calls f without the capabilities in the set caps, where the daemon has them.
func without(caps uint32, f func() error) error {
	if unix.Geteuid() != 0 {
		return f()
	}
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var had [2]unix.CapUserData
	if err := unix.Capget(&header, &had[0]); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	less := had
	less[0].Effective &^= caps
	err := unix.Capset(&header, &less[0])
	if err == nil {
		err = f()
	}
	// A thread that does not get them back stays locked, and Go throws it away with its goroutine.
	if unix.Capset(&header, &had[0]) == nil {
		runtime.UnlockOSThread()
	}
	return err
}
