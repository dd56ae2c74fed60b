package backends

import (
	"cmp"
	"os"

	"golang.org/x/sys/unix"
)

// Dir is a directory of the kernel's that holds the objects of one class: /dev/shm, or one of our own that
// remembers FIFOs, sockets and topics. Names are slash-separated paths below it; nothing planted there (a
// symbolic link, another mount) is followed. It is safe for concurrent use. Its calls wait for the file
// system, and for those who hold a directory's lock in the kernel.
type Dir struct {
	fd    int
	name  string    // as people know it; may be empty
	room  *Room     // that what is made here takes of; nil: not counted
	lists *unlisted // see HeedACLs
}

// OpenDir opens an existing directory.
func OpenDir(name string) (*Dir, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return DirAt(fd, name), nil
}

// DirAt is the directory open at fd, which is the Dir's from then on. People know it as name, which may be
// empty.
func DirAt(fd int, name string) *Dir { return &Dir{fd: fd, name: name} }

// Fd is the descriptor, valid until Close.
func (d *Dir) Fd() int { return d.fd }

// Close closes the directory.
func (d *Dir) Close() error { return unix.Close(d.fd) }

// Room is what the files in the directory take of; nil: they are not counted.
func (d *Dir) Room() *Room { return d.room }

// Why gives an error of something that takes room in the directory its facts.
func (d *Dir) Why(err error) error {
	switch err {
	case unix.ENOSPC, unix.EDQUOT:
		return &Refusal{Err: err, Why: NoRoom, Name: d.name}
	case unix.EROFS:
		return &Refusal{Err: err, Why: ReadOnly, Name: d.name}
	}
	return err
}

// at calls f with the directory that a name is in: the very one, ESTALE otherwise.
func (d *Dir) at(n Name, f func(dir int) error) error {
	if n.Dir.Path == "" {
		return f(d.fd)
	}
	fd, err := d.pin(n.Dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f(fd)
}

// pin opens an object: the very one, ESTALE otherwise.
func (d *Dir) pin(r Ref, flags int) (int, error) {
	fd, err := OpenBeneath(d.fd, dot(r.Path), flags, 0)
	if err != nil {
		return -1, err
	}
	now, err := Fstat(fd)
	if err == nil {
		err = r.Is(now)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Find is lstat(2) of a name.
func (d *Dir) Find(n Name) (a Attr, err error) {
	if n.Base == "" {
		return Fstat(d.fd)
	}
	err = d.at(n, func(dir int) error {
		if a, err = lstat(dir, n.Base); err == nil {
			a, err = d.granted(dir, n.Base, a)
		}
		return err
	})
	return a, err
}

// Stat is lstat(2) of an object that was found, ENOENT or ESTALE if it is not there any more.
func (d *Dir) Stat(r Ref) (Attr, error) {
	a, err := d.Find(Named(r.Path))
	if err == nil && r.Path != "" {
		err = r.Is(a)
	}
	if err != nil {
		return Attr{}, err // and nothing of another one
	}
	return a, nil
}

// List names what is in a directory, in no order.
func (d *Dir) List(r Ref) (list []Entry, err error) {
	fd, err := d.pin(r, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	return listOpen(fd, r.Path)
}

// Mknod makes a FIFO, a socket's node, or an empty regular file, by its type, that must not exist yet.
func (d *Dir) Mknod(n Name, typ uint32, o Owner) (Attr, error) {
	return d.make(n, typ, o, func(dir int, mode uint32) error { return unix.Mknodat(dir, n.Base, typ|mode, 0) })
}

// Mkdir is mkdir(2).
func (d *Dir) Mkdir(n Name, o Owner) (Attr, error) {
	return d.make(n, unix.S_IFDIR, o, func(dir int, mode uint32) error { return unix.Mkdirat(dir, n.Base, mode) })
}

// make makes a node of a type by f and gives it to its owner, if there is room for it. Nothing half-made
// stays behind, but where the daemon is killed just now, and then only the owner is wrong: so a node is
// made with its mode (crash_making.txtar).
func (d *Dir) make(n Name, typ uint32, o Owner, f func(dir int, mode uint32) error) (a Attr, err error) {
	make := func(dir int) error {
		o := d.inherit(dir, o)
		if d.lists != nil && unix.Geteuid() == 0 {
			a, err = d.makeShared(dir, n.Base, typ, o)
			return err
		}
		if err := f(dir, o.Mode&01777); err != nil {
			return err
		}
		if a, err = d.give(dir, n.Base, o); err != nil && unix.Unlinkat(dir, n.Base, 0) == unix.EISDIR {
			_ = unix.Unlinkat(dir, n.Base, unix.AT_REMOVEDIR)
		}
		return err
	}
	err = d.room.making(o, typ, func() error { return d.Why(d.at(n, make)) })
	return a, err
}

// maxText is the longest text a file of ours holds, in bytes.
const maxText = 4096

// MakeText makes a regular file with a text, that must not exist yet.
func (d *Dir) MakeText(n Name, text string, o Owner) (Attr, error) {
	return d.make(n, unix.S_IFREG, o, func(dir int, mode uint32) error {
		fd, err := OpenBeneath(dir, n.Base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, mode)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		size, err := unix.Write(fd, []byte(text))
		if err == nil && size < len(text) {
			err = unix.ENOSPC
		}
		if err != nil {
			_ = unix.Unlinkat(dir, n.Base, 0)
		}
		return err
	})
}

// Text reads a file made by MakeText.
func (d *Dir) Text(r Ref) (string, error) {
	fd, err := d.pin(r, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	buf := make([]byte, maxText)
	n, err := unix.Read(fd, buf)
	return string(buf[:max(n, 0)]), err
}

// SetText writes another text, of whole lines. If it fails, or the daemon dies in the middle, the first line
// is the old one or the new one: the new text goes over the old one, which needs no room on the file system,
// before the file is cut to its length.
func (d *Dir) SetText(r Ref, text string) error {
	fd, err := d.pin(r, unix.O_RDWR)
	if err != nil {
		return d.Why(err)
	}
	defer unix.Close(fd)
	old := make([]byte, maxText)
	size, err := unix.Pread(fd, old, 0)
	if err != nil {
		return d.Why(err)
	}
	n, err := unix.Pwrite(fd, []byte(text), 0)
	if err == nil && n < len(text) { // there was room for a part: it takes none to put the old one back
		_, err = unix.Pwrite(fd, old[:size], 0)
		err = cmp.Or(err, unix.Ftruncate(fd, int64(size)), error(unix.ENOSPC))
	}
	if err != nil {
		return d.Why(err)
	}
	return unix.Ftruncate(fd, int64(len(text)))
}

// give gives a node to its owner. A directory with the set-group-ID bit hands down its group, and to a new
// directory in it the bit as well (mkdir(2)).
func (d *Dir) give(dir int, base string, o Owner) (Attr, error) {
	fd, err := OpenBeneath(dir, base, unix.O_PATH, 0)
	if err != nil {
		return Attr{}, err
	}
	defer unix.Close(fd)
	st, err := Fstat(fd)
	if err != nil {
		return Attr{}, err
	}
	o.made(st.ID)
	mode := o.Mode
	if o.Inherits {
		mode = mode&^0777 | st.Mode&0777 // as the list has made it
	}
	c := Change{Uid: &o.Uid, Gid: &o.Gid, Mode: &mode}
	parent, err := Fstat(dir)
	if err == nil && parent.Mode&unix.S_ISGID != 0 {
		c.Gid = nil
		if st.Type() == unix.S_IFDIR {
			mode |= unix.S_ISGID
		}
	}
	if err := without(exceedSpace, func() error { return Apply(fd, c) }); err != nil {
		return Attr{}, err
	}
	return d.fstat(fd)
}

// fstat is fstat(2), with the mode that an access control list grants if the directory heeds those.
func (d *Dir) fstat(fd int) (Attr, error) {
	return d.lists.fstat(fd)
}

// Change sets attributes of an object that still has its owner: else ESTALE. Setting a size opens the file
// for writing.
func (d *Dir) Change(r Ref, c Change) error {
	flags := unix.O_PATH
	if c.Size != nil {
		flags = unix.O_WRONLY
	}
	fd, err := d.pin(r, flags)
	if err != nil {
		return d.Why(err)
	}
	defer unix.Close(fd)
	now, err := Fstat(fd)
	if err == nil {
		err = r.Owned(now)
	}
	if err != nil {
		return err
	}
	return d.Why(d.room.changing(fd, c, func() error { return Apply(fd, c) }))
}

// Remove is unlink(2).
func (d *Dir) Remove(n Name) error {
	return d.at(n, func(dir int) error { return d.room.unlink(dir, n.Base, 0) })
}

// Rmdir is rmdir(2).
func (d *Dir) Rmdir(n Name) error {
	return d.at(n, func(dir int) error { return d.room.unlink(dir, n.Base, unix.AT_REMOVEDIR) })
}

// Rename is renameat2(2) with its flags.
func (d *Dir) Rename(from, to Name, flags uint32) error {
	return d.Why(d.at(from, func(dir int) error {
		return d.at(to, func(todir int) error { return d.room.rename(dir, from.Base, todir, to.Base, uint(flags)) })
	}))
}

// Link is link(2).
func (d *Dir) Link(r Ref, to Name) (a Attr, err error) {
	fd, err := d.pin(r, unix.O_PATH)
	if err != nil {
		return a, err
	}
	defer unix.Close(fd)
	link := func(todir int) error {
		err := unix.Linkat(unix.AT_FDCWD, procPath(fd), todir, to.Base, unix.AT_SYMLINK_FOLLOW)
		if err == nil {
			a, err = Fstat(fd)
		}
		return err
	}
	return a, d.Why(d.at(to, func(todir int) error {
		return d.room.link(fd, "", func() error { return link(todir) })
	}))
}

// Path is a path by which the daemon itself reaches name.
func (d *Dir) Path(name string) string { return procPath(d.fd) + "/" + name }

// Space is what statfs(2) says of the file system: its size and what is free, in blocks of Bsize bytes, and
// the same in files.
func (d *Dir) Space() (s Space, err error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(d.fd, &fs); err != nil {
		return s, err
	}
	return Space{
		Bsize: uint32(fs.Bsize), Blocks: fs.Blocks, Bfree: fs.Bfree, Bavail: fs.Bavail,
		Files: fs.Files, Ffree: fs.Ffree,
	}, nil
}

// Restrictions are the options of mount(8) by which the file system keeps from running programs, and from
// giving them the rights of others.
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

// listOpen lists the directory open at fd, which it closes, without its "." and "..".
func listOpen(fd int, name string) ([]Entry, error) {
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
