package mqueue

import "golang.org/x/sys/unix"

// detachedMount mounts a file system that needs no source where no path leads to it (fsopen(2), fsmount(2),
// Linux 5.2) and returns a descriptor of its root directory.
func detachedMount(fstype string) (int, error) {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	m, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC,
		unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return -1, err
	}
	// fsmount gives an O_PATH descriptor, which cannot be listed.
	defer unix.Close(m)
	return unix.Openat(m, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}
