package backends

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// asUser calls f with the effective ids of somebody else, so that what f connects to sees them (SO_PEERCRED, unix(7)). Linux keeps
// credentials by thread, and setresuid(2) as a raw system call changes them for this thread alone; the saved ids stay root's, so that
// it can change back. Whether they may do what f does was checked before, so f keeps CAP_DAC_OVERRIDE. Without root f runs as it is.
func asUser(uid, gid uint32, f func() error) error {
	if unix.Geteuid() != 0 || uid == 0 && gid == 0 {
		return f()
	}
	runtime.LockOSThread()
	err := become(uid, gid)
	if err == nil {
		err = f()
	}
	// A thread that cannot become root's again stays locked, and Go throws it away with its goroutine.
	if become(0, 0) == nil {
		runtime.UnlockOSThread()
	}
	return err
}

func become(uid, gid uint32) error {
	const keep = ^uintptr(0)
	ids := [][2]uintptr{{unix.SYS_SETRESGID, uintptr(gid)}, {unix.SYS_SETRESUID, uintptr(uid)}}
	if uid == 0 {
		ids[0], ids[1] = ids[1], ids[0] // changing the group takes root
	}
	for _, id := range ids {
		if _, _, errno := unix.RawSyscall(id[0], keep, id[1], keep); errno != 0 {
			return errno
		}
	}
	if uid == 0 {
		return nil // the kernel gives the capabilities back (capabilities(7))
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective = data[0].Permitted & (1 << unix.CAP_DAC_OVERRIDE)
	data[1].Effective = 0
	return unix.Capset(&header, &data[0])
}
