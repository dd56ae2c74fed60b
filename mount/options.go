package mount

import (
	"errors"
	"log/slog"
)

// Options say where and how to mount.
type Options struct {
	Mountpoint string // an existing directory
	Source     string // the first column of /proc/mounts; "ipcfs" if empty
	// mount options as for mount(8) -o: ro, nosuid, allow_other, …;
	// those that are not the kernel's are refused
	Flags     []string
	NonEmpty  bool   // mount over a directory that has files
	PageCache bool   // do not use passthrough for /shm even where the kernel has it
	Device    int    // serve this open /dev/fuse descriptor, which is mounted already; 0: open one and mount it
	Session   []byte // what the process wrote that served Device before (Session.HandOver); nil: none did
	Log       *slog.Logger
}

// What can be wrong with a mount point, for errors.Is. The error itself names the path and the cause.
var (
	ErrNoDevice   = errors.New("no /dev/fuse")           // the fuse module is not there
	ErrPermission = errors.New("not permitted to mount") // neither mount(2) nor fusermount3
	ErrDevicePerm = errors.New("not permitted to open /dev/fuse")
	ErrMountpoint = errors.New("mount point does not exist") // or is not a directory
	ErrNotEmpty   = errors.New("mount point is not empty")
	ErrMounted    = errors.New("already mounted")
)
