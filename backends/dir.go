package backends

import (
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Dir is a directory of the kernel's that holds the objects of one class: /dev/shm, or one of our own that remembers FIFOs and
// sockets. Names are slash-separated paths below it; nothing planted there (a symbolic link, another mount) is followed.
type Dir struct {
	fd    int
	name  string // as people know it; may be empty
	room  *Room  // that what is made here takes of; nil: not counted
	lists bool   // see HeedACLs
}

// OpenDir opens an existing directory.
func OpenDir(name string) (*Dir, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return &Dir{fd: fd, name: name}, nil
}

// Close closes the directory.
func (d *Dir) Close() error { return unix.Close(d.fd) }

// Room is what the files in the directory take of; nil: they are not counted.
func (d *Dir) Room() *Room { return d.room }

// why gives an error of something that takes room in the directory its words.
func (d *Dir) why(err error) error {
	switch err {
	case unix.ENOSPC, unix.EDQUOT:
		return fmt.Errorf("%w: %s has no room left: see df and df -i of it", err, d.name)
	case unix.EROFS:
		return fmt.Errorf("%w: %s: mount -o remount,rw", err, d.name)
	}
	return err
}

// at calls f with the directory that name is in and name's last component. The root itself is ".".
func (d *Dir) at(name string, f func(dir int, base string) error) error {
	parent, base := path.Split(name)
	if base == "" {
		return f(d.fd, ".")
	}
	if parent == "" {
		return f(d.fd, base)
	}
	fd, err := openBeneath(d.fd, strings.TrimSuffix(parent, "/"), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f(fd, base)
}

// Stat is lstat(2).
func (d *Dir) Stat(name string) (a Attr, err error) {
	err = d.at(name, func(dir int, base string) error {
		var st unix.Stat_t
		if err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		a, err = d.granted(dir, base, attrOf(&st))
		return err
	})
	return a, err
}

// Born is when a file was made, zero where its file system does not know (statx(2), STATX_BTIME).
func (d *Dir) Born(name string) (t time.Time) {
	_ = d.at(name, func(dir int, base string) error {
		var st unix.Statx_t
		err := unix.Statx(dir, base, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BTIME, &st)
		if err == nil && st.Mask&unix.STATX_BTIME != 0 {
			t = time.Unix(st.Btime.Sec, int64(st.Btime.Nsec))
		}
		return err
	})
	return t
}

// List names what is in a directory, in no order.
func (d *Dir) List(name string) (list []Entry, err error) {
	err = d.at(name, func(dir int, base string) error {
		list, err = readDir(dir, base)
		return err
	})
	return list, err
}

// Mknod makes a FIFO, a socket's node, or an empty regular file, by the type in mode, that must not exist yet.
func (d *Dir) Mknod(name string, typ uint32, o Owner) error {
	return d.room.making(o, typ, func() error {
		return d.why(d.at(name, func(dir int, base string) error {
			o := d.inherit(dir, o)
			return own(dir, base, o, unix.Mknodat(dir, base, typ|o.Mode&0777, 0))
		}))
	})
}

// Mkdir is mkdir(2).
func (d *Dir) Mkdir(name string, o Owner) error {
	return d.room.making(o, unix.S_IFDIR, func() error {
		return d.why(d.at(name, func(dir int, base string) error {
			o := d.inherit(dir, o)
			return own(dir, base, o, unix.Mkdirat(dir, base, o.Mode&0777))
		}))
	})
}

// maxText is the longest text a file of ours holds, in bytes.
const maxText = 4096

// MakeText makes a regular file with a text, that must not exist yet.
func (d *Dir) MakeText(name, text string, o Owner) error {
	return d.room.making(o, unix.S_IFREG, func() error {
		return d.why(d.at(name, func(dir int, base string) error {
			fd, err := openBeneath(dir, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, o.Mode&0777)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if _, err = unix.Write(fd, []byte(text)); err != nil {
				_ = unix.Unlinkat(dir, base, 0)
			}
			return own(dir, base, o, err)
		}))
	})
}

// Text reads a file made by MakeText.
func (d *Dir) Text(name string) (string, error) {
	fd, err := openBeneath(d.fd, name, unix.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	buf := make([]byte, maxText)
	n, err := unix.Read(fd, buf)
	return string(buf[:max(n, 0)]), err
}

// SetText writes another text, of whole lines. If it fails, or the daemon dies in the middle, the first line is the old one or the new
// one: the new text goes over the old one, which needs no room on the file system, before the file is cut to its length.
func (d *Dir) SetText(name, text string) error {
	fd, err := openBeneath(d.fd, name, unix.O_WRONLY, 0)
	if err != nil {
		return d.why(err)
	}
	defer unix.Close(fd)
	if _, err := unix.Pwrite(fd, []byte(text), 0); err != nil {
		return d.why(err)
	}
	return unix.Ftruncate(fd, int64(len(text)))
}

// own gives a node that was just made (or not: err) to its owner. Nothing half-made stays behind, but where the daemon is killed just now,
// and then only the owner is wrong: so a node is made with its mode (crash_making.txtar).
func own(dir int, base string, o Owner, err error) error {
	if err != nil {
		return err
	}
	if err = give(dir, base, o); err != nil && unix.Unlinkat(dir, base, 0) == unix.EISDIR {
		_ = unix.Unlinkat(dir, base, unix.AT_REMOVEDIR)
	}
	return err
}

// give gives a node to its owner. A directory with the set-group-ID bit hands down its group, and a new directory in it the bit as well
// (mkdir(2)).
func give(dir int, base string, o Owner) error {
	fd, err := openBeneath(dir, base, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	st, err := fstat(fd)
	if err != nil {
		return err
	}
	mode := o.Mode
	if o.Inherits {
		mode = mode&^0777 | st.Mode&0777 // as the list has made it
	}
	c := Change{Uid: &o.Uid, Gid: &o.Gid, Mode: &mode}
	parent, err := fstat(dir)
	if err == nil && parent.Mode&unix.S_ISGID != 0 {
		c.Gid = nil
		if st.Type() == unix.S_IFDIR {
			mode |= unix.S_ISGID
		}
	}
	return without(exceedSpace, func() error { return apply(fd, c) })
}

// Change sets attributes. Setting a size opens the file for writing.
func (d *Dir) Change(name string, c Change) error {
	flags := unix.O_PATH
	if c.Size != nil {
		flags = unix.O_WRONLY
	}
	fd, err := openBeneath(d.fd, dot(name), flags, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return d.why(d.room.changing(fd, c, func() error { return apply(fd, c) }))
}

// Remove is unlink(2).
func (d *Dir) Remove(name string) error {
	return d.at(name, func(dir int, base string) error { return d.room.unlink(dir, base, 0) })
}

// Rmdir is rmdir(2).
func (d *Dir) Rmdir(name string) error {
	return d.at(name, func(dir int, base string) error { return d.room.unlink(dir, base, unix.AT_REMOVEDIR) })
}

// Rename is renameat2(2) with its flags.
func (d *Dir) Rename(from, to string, flags uint32) error {
	return d.why(d.at(from, func(dir int, base string) error {
		return d.at(to, func(todir int, tobase string) error {
			return d.room.rename(dir, base, todir, tobase, uint(flags))
		})
	}))
}

// Link is link(2).
func (d *Dir) Link(from, to string) error {
	return d.why(d.at(from, func(dir int, base string) error {
		return d.room.link(dir, base, func() error {
			return d.at(to, func(todir int, tobase string) error { return unix.Linkat(dir, base, todir, tobase, 0) })
		})
	}))
}

// Path is a path by which the daemon itself reaches name.
func (d *Dir) Path(name string) string { return procPath(d.fd) + "/" + name }

// Space is what statfs(2) says of the file system: its size and what is free, in blocks of bsize bytes, and the same in files.
func (d *Dir) Space() (s Space, err error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(d.fd, &fs); err != nil {
		return s, err
	}
	return Space{Bsize: uint32(fs.Bsize), Blocks: fs.Blocks, Bfree: fs.Bfree, Bavail: fs.Bavail, Files: fs.Files, Ffree: fs.Ffree}, nil
}

// Restrictions are the options of mount(8) by which the file system keeps from running programs, and from giving them the rights of others.
func (d *Dir) Restrictions() (list []string, err error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(d.fd, &fs); err != nil {
		return nil, err
	}
	if fs.Flags&unix.ST_NOEXEC != 0 {
		list = append(list, "noexec")
	}
	if fs.Flags&unix.ST_NOSUID != 0 {
		list = append(list, "nosuid")
	}
	return list, nil
}

// Space is the room on a file system (statfs(2)).
type Space struct {
	Bsize                 uint32
	Blocks, Bfree, Bavail uint64
	Files, Ffree          uint64
}

func dot(name string) string {
	if name == "" {
		return "."
	}
	return name
}

// readDir lists one directory below dir without its "." and "..".
func readDir(dir int, name string) ([]Entry, error) {
	fd, err := openBeneath(dir, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	found, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	list := make([]Entry, 0, len(found))
	for _, e := range found {
		list = append(list, Entry{Name: e.Name(), Type: direntType(e.Type())})
	}
	return list, nil
}

func direntType(m os.FileMode) uint32 {
	switch m.Type() {
	case 0:
		return unix.S_IFREG
	case os.ModeDir:
		return unix.S_IFDIR
	case os.ModeNamedPipe:
		return unix.S_IFIFO
	case os.ModeSocket:
		return unix.S_IFSOCK
	case os.ModeSymlink:
		return unix.S_IFLNK
	case os.ModeCharDevice | os.ModeDevice:
		return unix.S_IFCHR
	}
	return unix.S_IFBLK
}
