package backends

import (
	"time"

	"golang.org/x/sys/unix"
)

// Attr is what stat(2) tells of an object.
type Attr struct {
	Ino                 uint64
	Mode                uint32 // type and permissions, as st_mode
	Nlink               uint32
	Uid, Gid            uint32
	Size, Blocks        int64 // bytes; 512-byte blocks
	Blksize             int64
	Atime, Mtime, Ctime time.Time
}

// Type is the S_IFMT part of the mode.
func (a Attr) Type() uint32 { return a.Mode & unix.S_IFMT }

// Change is a set of attributes to set; nil fields stay as they are.
type Change struct {
	Mode         *uint32
	Uid, Gid     *uint32
	Size         *int64
	Atime, Mtime *time.Time
}

// Owner is who an object is to belong to, with the mode it is to have: those of the process that asked for it.
type Owner struct {
	Uid, Gid uint32
	Mode     uint32 // permissions with the umask already taken off
	Umask    uint32 // what it took off, which a directory's default access control list makes up for
	Inherits bool   // there is such a list, so nothing was taken off, and the kernel sets the permissions by it
}

// Entry is one name in a directory.
type Entry struct {
	Name string
	Ino  uint64
	Type uint32 // S_IFMT bits
}

func attrOf(st *unix.Stat_t) Attr {
	return Attr{
		Ino: st.Ino, Mode: st.Mode, Nlink: uint32(st.Nlink), Uid: st.Uid, Gid: st.Gid,
		Size: st.Size, Blocks: st.Blocks, Blksize: int64(st.Blksize),
		Atime: time.Unix(st.Atim.Unix()), Mtime: time.Unix(st.Mtim.Unix()), Ctime: time.Unix(st.Ctim.Unix()),
	}
}

func fstat(fd int) (Attr, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Attr{}, err
	}
	return attrOf(&st), nil
}

// apply makes c true of the object open at fd, which may be an O_PATH descriptor unless c changes the size. It works on the inode,
// never on a name, so nothing can be put in its way.
func apply(fd int, c Change) error {
	path := procPath(fd)
	if c.Size != nil {
		if err := Unprivileged(func() error { return unix.Ftruncate(fd, *c.Size) }); err != nil {
			return err
		}
	}
	if c.Uid != nil || c.Gid != nil {
		uid, gid := -1, -1
		if c.Uid != nil {
			uid = int(*c.Uid)
		}
		if c.Gid != nil {
			gid = int(*c.Gid)
		}
		if err := unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	if c.Mode != nil {
		if err := unix.Chmod(path, *c.Mode&07777); err != nil {
			return err
		}
	}
	if c.Atime != nil || c.Mtime != nil {
		ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}
		for i, t := range []*time.Time{c.Atime, c.Mtime} {
			if t != nil {
				ts[i] = unix.NsecToTimespec(t.UnixNano())
			}
		}
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, ts, 0)
	}
	return nil
}
