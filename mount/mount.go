package mount

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// fsType is what /proc/mounts shows.
const fsType = "fuse.ipcfs"

// mountDevice opens /dev/fuse and mounts it: with mount(2) if we may, else through fusermount3, which is
// setuid root.
func mountDevice(o Options) (int, error) {
	if err := checkMountpoint(o); err != nil {
		return -1, err
	}
	fd, err := mountDirectly(o)
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, ErrDevicePerm) {
		return fd, err
	}
	helper, missing := exec.LookPath("fusermount3")
	if missing != nil {
		if errors.Is(err, ErrDevicePerm) {
			return -1, err
		}
		return -1, fmt.Errorf("%s: %w: mount(2) needs CAP_SYS_ADMIN and there is no fusermount3",
			o.Mountpoint, ErrPermission)
	}
	fd, e := mountThrough(helper, o)
	if e != nil && errors.Is(err, ErrDevicePerm) {
		e = fmt.Errorf("%w: %w", err, e) // the helper opens the device with our own rights
	}
	return fd, e
}

func checkMountpoint(o Options) error {
	st, err := os.Stat(o.Mountpoint)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: %w", o.Mountpoint, ErrMountpoint)
	case err != nil:
		return fmt.Errorf("%s: %w", o.Mountpoint, err)
	case !st.IsDir():
		return fmt.Errorf("%s: %w: not a directory", o.Mountpoint, ErrMountpoint)
	}
	path, err := filepath.EvalSymlinks(o.Mountpoint)
	if err != nil {
		return fmt.Errorf("%s: %w", o.Mountpoint, err)
	}
	if over, err := Uppermost(path); err == nil && over != nil && over.FSType == fsType {
		return fmt.Errorf("%s: %w", o.Mountpoint, ErrMounted)
	}
	if o.NonEmpty {
		return nil
	}
	dir, err := os.Open(o.Mountpoint)
	if err != nil {
		return fmt.Errorf("%s: %w", o.Mountpoint, err)
	}
	defer dir.Close()
	if names, _ := dir.Readdirnames(1); len(names) > 0 {
		return fmt.Errorf("%s: %w", o.Mountpoint, ErrNotEmpty)
	}
	return nil
}

// mountFlags are the options of mount(8) that mount(2) takes as bits; true sets the bit.
var mountFlags = map[string]struct {
	bit uintptr
	set bool
}{
	"ro": {unix.MS_RDONLY, true}, "rw": {unix.MS_RDONLY, false},
	"nosuid": {unix.MS_NOSUID, true}, "suid": {unix.MS_NOSUID, false},
	"nodev": {unix.MS_NODEV, true}, "dev": {unix.MS_NODEV, false},
	"noexec": {unix.MS_NOEXEC, true}, "exec": {unix.MS_NOEXEC, false},
	"sync": {unix.MS_SYNCHRONOUS, true}, "async": {unix.MS_SYNCHRONOUS, false},
	"dirsync": {unix.MS_DIRSYNC, true},
	"noatime": {unix.MS_NOATIME, true}, "atime": {unix.MS_NOATIME, false},
	"nodiratime": {unix.MS_NODIRATIME, true}, "relatime": {unix.MS_RELATIME, true},
}

func mountDirectly(o Options) (int, error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch err {
	case nil:
	case unix.ENOENT, unix.ENODEV, unix.ENXIO:
		return -1, fmt.Errorf("%w: %w", ErrNoDevice, err)
	case unix.EACCES, unix.EPERM:
		return -1, ErrDevicePerm
	default:
		return -1, fmt.Errorf("/dev/fuse: %w", err)
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	data := []string{
		fmt.Sprint("fd=", fd), "rootmode=40000", fmt.Sprint("user_id=", os.Geteuid()),
		fmt.Sprint("group_id=", os.Getegid()),
		"default_permissions", fmt.Sprint("max_read=", maxWrite),
	}
	if os.Geteuid() == 0 {
		data = append(data, "allow_other") // the kernel checks each user's permissions
	}
	for _, f := range o.Flags {
		if bit, ok := mountFlags[f]; ok && bit.set {
			flags |= bit.bit
		} else if ok {
			flags &^= bit.bit
		} else if f != "allow_other" || os.Geteuid() != 0 {
			data = append(data, f)
		}
	}
	if err := unix.Mount(o.Source, o.Mountpoint, fsType, flags, strings.Join(data, ",")); err != nil {
		unix.Close(fd)
		if err == unix.EINVAL && len(o.Flags) > 0 {
			return -1, fmt.Errorf("%s: mount: %w: one of these options is unknown: %s",
				o.Mountpoint, err, strings.Join(o.Flags, ","))
		}
		if err == unix.ENODEV {
			return -1, fmt.Errorf("%w: mount: %w", ErrNoDevice, err)
		}
		if err == unix.EACCES { // so say security modules, AppArmor in a container
			return -1, fmt.Errorf("%s: %w: mount(2): %w", o.Mountpoint, ErrPermission, err)
		}
		return -1, fmt.Errorf("%s: mount: %w", o.Mountpoint, err)
	}
	return fd, nil
}

// mountThrough has fusermount3 mount and takes the descriptor it sends back over a socket.
func mountThrough(helper string, o Options) (int, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "fusermount"), os.NewFile(uintptr(pair[1]), "fusermount")
	defer ours.Close()
	options := append([]string{
		"fsname=" + o.Source, "subtype=ipcfs", "default_permissions", fmt.Sprint("max_read=", maxWrite),
	}, o.Flags...)
	cmd := exec.Command(helper, "-o", strings.Join(options, ","), "--", o.Mountpoint)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Env = append(os.Environ(), "_FUSE_COMMFD=3")
	said, err := cmd.CombinedOutput()
	theirs.Close()
	if err != nil {
		return -1, fmt.Errorf("%s: %w: %s", o.Mountpoint, ErrPermission, strings.TrimSpace(string(said)))
	}
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(pair[0], make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fusermount3 sent no descriptor: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) == 0 {
		return -1, errors.New("fusermount3 sent no descriptor")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.New("fusermount3 sent no descriptor")
	}
	return fds[0], nil
}
