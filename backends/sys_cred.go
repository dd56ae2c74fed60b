package backends

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Cred is in whose name something is done: a user's ids and supplementary groups (credentials(7)).
type Cred struct {
	Uid, Gid uint32
	Groups   []uint32
}

// OverrideDAC is the capability to go past permissions (capabilities(7)), for As.
const OverrideDAC = 1 << unix.CAP_DAC_OVERRIDE

// Cred is the owner, with no group but their own.
func (o Owner) Cred() Cred { return Cred{Uid: o.Uid, Gid: o.Gid} }

// As calls f with the effective ids and the supplementary groups of somebody else, and with no capabilities
// but those in the set caps. The kernel then judges what f does, at the moment it acts, as their doing:
// where others than the daemon change a directory, a look before the act would prove nothing (unlink(2),
// rename(2)). What f connects to sees them (SO_PEERCRED, SO_PEERGROUPS, unix(7)). Linux keeps credentials
// by thread, and the raw system calls change them for this thread alone; the saved ids stay root's, so that
// it can change back. f must not change threads. A daemon without root calls f as it is. f's errors are
// returned.
func As(who Cred, caps uint32, f func() error) error {
	if unix.Geteuid() != 0 || who.Uid == 0 && who.Gid == 0 {
		return f()
	}
	list, err := unix.Getgroups()
	if err != nil {
		return err
	}
	ours := make([]uint32, len(list))
	for i, g := range list {
		ours[i] = uint32(g)
	}
	runtime.LockOSThread()
	err = become(who, caps)
	if err == nil {
		err = f()
	}
	// A thread that cannot become root's again stays locked, and Go throws it away with its goroutine.
	if unbecome(ours) == nil {
		runtime.UnlockOSThread()
	}
	return err
}

const keepId = ^uintptr(0)

func become(who Cred, caps uint32) error {
	if err := setgroups(who.Groups); err != nil {
		return err
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, keepId, uintptr(who.Gid), keepId); errno != 0 {
		return errno
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, keepId, uintptr(who.Uid), keepId); errno != 0 {
		return errno
	}
	if who.Uid == 0 {
		return nil
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective = data[0].Permitted & caps
	data[1].Effective = 0
	return unix.Capset(&header, &data[0])
}

// unbecome makes the thread root's again; with the ids the kernel gives it the capabilities back
// (capabilities(7)).
func unbecome(groups []uint32) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, keepId, 0, keepId); errno != 0 {
		return errno
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, keepId, 0, keepId); errno != 0 {
		return errno
	}
	return setgroups(groups)
}

// setgroups is setgroups(2) for this thread alone.
func setgroups(groups []uint32) error {
	p := unsafe.Pointer(unsafe.SliceData(groups))
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(p), 0); errno != 0 {
		return errno
	}
	return nil
}
