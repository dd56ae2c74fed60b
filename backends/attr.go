package backends

import (
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Attr is what stat(2) tells of an object.
type Attr struct {
	ID
	Dev                 uint64 // the file system that it lies in, as st_dev; 0: in none
	Mode                uint32 // type and permissions, as st_mode
	Nlink               uint32
	Uid, Gid            uint32
	Size, Blocks        int64 // bytes; 512-byte blocks
	Atime, Mtime, Ctime time.Time
}

// ID says which object it is: no other one ever has the same inode number and the same time of birth, while
// an inode number alone serves again on many file systems. Born is in nanoseconds (statx(2), STATX_BTIME), 0
// where the file system does not tell it; those that do not (mqueue) give each inode a number of its own. Of
// System V objects, which lie in no file system (Attr.Dev), it is who made them, for which key.
type ID struct{ Ino, Born uint64 }

// BornAt is the time of birth, zero if it is not known.
func (id ID) BornAt() time.Time {
	if id.Born == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(id.Born))
}

// Ref names one object: where it was found, and what was seen of it then. A call that is given a Ref acts
// on that very object, or answers ESTALE if the path leads to another one by now. Without an inode number
// (Ref{Path: "x"}) it is whatever is there. Path is relative to the class; "" is the class's own directory.
type Ref struct {
	Path string
	Was  Attr
}

// Is reports with ESTALE that now are the attributes of another object.
func (r Ref) Is(now Attr) error {
	if r.Was.ID != (ID{}) && r.Was.ID != now.ID {
		return unix.ESTALE
	}
	return nil
}

// Judged reports with ESTALE that now are not the attributes that somebody's permissions were judged by:
// those of another object, or of one that has another owner, group or mode by now. The kernel then walks
// the path again, and judges again (open(2)).
func (r Ref) Judged(now Attr) error {
	if err := r.Is(now); err != nil || r.Was.ID == (ID{}) {
		return err
	}
	if now.Uid != r.Was.Uid || now.Gid != r.Was.Gid || now.Mode != r.Was.Mode {
		return unix.ESTALE
	}
	return nil
}

// Owned reports with ESTALE that the object is another one, or another user's by now.
func (r Ref) Owned(now Attr) error {
	if err := r.Is(now); err != nil || r.Was.ID == (ID{}) {
		return err
	}
	if now.Uid != r.Was.Uid {
		return unix.ESTALE
	}
	return nil
}

// Name is a name in a directory.
type Name struct {
	Dir  Ref
	Base string
}

// Path is that of the name, relative to the class.
func (n Name) Path() string {
	if n.Dir.Path == "" {
		return n.Base
	}
	return n.Dir.Path + "/" + n.Base
}

// Named is the name that a path of the class ends in, in whatever directory is there.
func Named(p string) Name {
	dir, base := path.Split(p)
	return Name{Ref{Path: strings.TrimSuffix(dir, "/")}, base}
}

// Type is the S_IFMT part of the mode.
func (a Attr) Type() uint32 { return a.Mode & unix.S_IFMT }

// Device is the file system as mountinfo of proc(5) has it, MAJOR:MINOR.
func (a Attr) Device() string { return fmt.Sprintf("%d:%d", unix.Major(a.Dev), unix.Minor(a.Dev)) }

// Change is a set of attributes to set; nil fields stay as they are.
type Change struct {
	Mode         *uint32
	Uid, Gid     *uint32
	Size         *int64
	Atime, Mtime *time.Time
}

// Owner is who an object is to belong to, with the mode it is to have: those of the process that asked for
// it.
type Owner struct {
	Uid, Gid uint32
	Mode     uint32   // permissions with the umask already taken off
	Umask    uint32   // what it took off, which a directory's default access control list makes up for
	Pid      int      // of the process, 0 if it is not known
	Inherits bool     // there is such a list, so nothing was taken off, and the kernel sets the permissions by it
	Made     func(ID) // if not nil, is told of what was made and is not its owner's yet
}

// made tells which object was made, before it is given to its owner.
func (o *Owner) made(id ID) {
	if o.Made != nil {
		o.Made(id)
	}
}

// Entry is one name in a directory.
type Entry struct {
	Name string
	Ino  uint64
	Type uint32 // S_IFMT bits
}

// seenMask is what Attr needs of statx(2).
const seenMask = unix.STATX_BASIC_STATS | unix.STATX_BTIME

func attrOf(st *unix.Statx_t) Attr {
	at := func(t unix.StatxTimestamp) time.Time { return time.Unix(t.Sec, int64(t.Nsec)) }
	a := Attr{
		ID: ID{Ino: st.Ino}, Dev: unix.Mkdev(st.Dev_major, st.Dev_minor),
		Mode: uint32(st.Mode), Nlink: st.Nlink, Uid: st.Uid, Gid: st.Gid,
		Size: int64(st.Size), Blocks: int64(st.Blocks), Atime: at(st.Atime), Mtime: at(st.Mtime), Ctime: at(st.Ctime),
	}
	if st.Mask&unix.STATX_BTIME != 0 {
		a.Born = uint64(at(st.Btime).UnixNano())
	}
	return a
}

// lstat is lstat(2) of a name in the directory open at dir.
func lstat(dir int, base string) (Attr, error) {
	var st unix.Statx_t
	if err := unix.Statx(dir, base, unix.AT_SYMLINK_NOFOLLOW, seenMask, &st); err != nil {
		return Attr{}, err
	}
	return attrOf(&st), nil
}

// Fstat is fstat(2), with the time of birth.
func Fstat(fd int) (Attr, error) {
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, seenMask, &st); err != nil {
		return Attr{}, err
	}
	return attrOf(&st), nil
}

// Apply makes c true of the object open at fd, which may be an O_PATH descriptor unless c changes the size.
// It works on the inode, never on a name, so nothing can be put in its way.
func Apply(fd int, c Change) error {
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
		if err := unix.Chmod(procPath(fd), *c.Mode&07777); err != nil {
			return err
		}
	}
	if c.Atime != nil || c.Mtime != nil {
		ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}
		for i, t := range []*time.Time{c.Atime, c.Mtime} {
			if t != nil {
				var err error
				if ts[i], err = unix.TimeToTimespec(*t); err != nil {
					return err
				}
			}
		}
		return unix.UtimesNanoAt(fd, "", ts, unix.AT_EMPTY_PATH) // Linux 5.8
	}
	return nil
}
