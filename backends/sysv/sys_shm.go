package sysv

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What include/uapi/linux/shm.h defines and x/sys does not.
const (
	shmInfo    = 14     // SHM_INFO
	shmStatAny = 15     // SHM_STAT_ANY, Linux 4.17: SHM_STAT that asks for no permission on the segment
	shmDest    = 0o1000 // SHM_DEST: removed, and there until the last who has it attached detaches it
)

// shmctl is shmctl(2) with the commands that take a struct shmid_ds.
func shmctl(id, cmd int, d *unix.SysvShmDesc) (int, error) {
	n, err := unix.SysvShmCtl(id, cmd, d)
	return n, noSysV(err)
}

// shmget is shmget(2).
func shmget(key uint32, size, flags int) (int, error) {
	id, err := unix.SysvShmGet(int(int32(key)), size, flags)
	return id, noSysV(err)
}

// shmLast is shmctl(2) with SHM_INFO: how many segments there are, and the highest index in use, for
// SHM_STAT_ANY.
func shmLast() (count, last int, err error) {
	var d unix.SysvShmDesc // longer than struct shm_info, which begins with the count
	last, err = shmctl(0, shmInfo, &d)
	return int(*(*int32)(unsafe.Pointer(&d))), last, err
}

// noSysV is err, unless the kernel was built without CONFIG_SYSVIPC.
func noSysV(err error) error {
	if err == unix.ENOSYS { // the answer must not be taken for one about FUSE
		return unix.EOPNOTSUPP
	}
	return err
}

// descriptorOf opens the file that is attached at data (proc(5), /proc/PID/map_files). It takes
// CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE outside of user namespaces.
func descriptorOf(data []byte, flags int) (int, error) {
	start := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	page := uintptr(os.Getpagesize())
	end := (start + uintptr(len(data)) + page - 1) / page * page
	return unix.Open(fmt.Sprintf("/proc/self/map_files/%x-%x", start, end), flags|unix.O_CLOEXEC, 0)
}
