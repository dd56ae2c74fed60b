// Package nodes says how each kind of object looks as files: names, modes, faces and control files. One
// file defines one kind, or a part of one: a Class. Its objects answer for themselves, by as many of the
// small interfaces below as make sense for them. What they leave out is answered with EPERM.
//
// Errors are of the errno table in errno.go. An *Error also carries why, from which advice.go makes
// sentences.
package nodes

import (
	"os"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

type (
	Attr   = backends.Attr
	Change = backends.Change
	Entry  = backends.Entry
	Name   = backends.Name
	Owner  = backends.Owner
	Ref    = backends.Ref
	Space  = backends.Space
)

// Seen is what a name led to when it was looked up: which object, and what its owner and mode were, by
// which the kernel judges who may do what. It is plain data, from which Class.At makes the object again.
type Seen struct {
	Ref
	Part    Part   // which file of the control tree; zero outside of it
	Message bool   // a message face: read and written through the daemon, one message at a time, and waited for
	Ours    bool   // a directory that is the tree's own, and open to all
	Link    string // where a symbolic link leads
}

// A Class is one kind of object, or the control tree.
type Class interface {
	// At is the object that was seen: that one and no other. It makes no system call. Seen{} is the
	// directory of the class, which is a Directory.
	At(s Seen) Object
}

// An Object is one thing in the tree. Each call acts on the very object that was seen, and answers ESTALE
// if its name leads to another one by now, ENOENT if to none.
type Object interface {
	// Stat is lstat(2). The bytes that wait in a message object are only told if they are asked for: that
	// can take longer.
	Stat(sized bool) (Attr, error)
	// Open opens it for the access in flags (O_RDONLY, O_WRONLY, O_RDWR; O_NONBLOCK; O_TRUNC), if its owner
	// and mode are those that were seen: ESTALE otherwise. It never blocks: if there is something to wait
	// for, what it gives is a *Pending.
	Open(flags int, by Caller) (Open, error)
	// Change sets attributes, if its owner is the one that was seen.
	Change(c Change) error
}

// A Directory is an Object with names in it.
type Directory interface {
	Object
	Find(name string) (Seen, error)
	// List names what it holds, in any order.
	List() ([]Entry, error)
}

// A Counter is the Directory of a class that knows how many objects the class has without listing them.
type Counter interface {
	Count() (int, error)
}

// A Maker is a Directory in which objects are made and removed.
type Maker interface {
	// Create makes what opening a new name with O_CREAT makes, and opens it. The name does not exist:
	// EEXIST if it was made meanwhile. What is made may get another name than was asked for. A FIFO is not
	// opened: the kernel itself must do that.
	Create(name string, o Owner, flags int, by Caller) (Seen, Open, error)
	// Mknod is mknod(2): mkfifo, or bind of a socket. typ is S_IFIFO, S_IFSOCK or S_IFREG.
	Mknod(name string, typ uint32, o Owner) (Seen, error)
	// Remove is unlink(2). In a directory that is open to all only the owner of an object or root removes
	// it: EPERM.
	Remove(name string, by Caller) error
}

// Folders are a Directory in which directories are made, removed and renamed: mkdir(2), rmdir(2),
// renameat2(2). The directory `to` is one of the same class.
type Folders interface {
	Mkdir(name string, o Owner) (Seen, error)
	Rmdir(name string, by Caller) error
	Rename(name string, to Directory, newName string, flags uint32, by Caller) error
}

// A Linker is a Directory that takes another name of an object of its class, as link(2).
type Linker interface {
	Link(o Object, name string) (Seen, error)
}

// A newer is a Directory that makes objects with attributes, for /ctl/new. The options of c are mode and
// those in its class's Description. All but what once does may be done again.
type newer interface {
	New(name string, o Owner, c Command, once making) error
}

// making makes an object by a call, for an owner, unless an earlier process did (see Acts).
type making func(make func(Owner) (Seen, error)) (Seen, error)

// A reporter is an object that tells about itself, for its status file: facts in the order they are shown.
type reporter interface {
	Report() ([]Fact, error)
}

// A controller is an object that has control files besides those every object has.
type controller interface {
	// Controls are those that are listed.
	Controls() []Control
	// Control finds one that is not, as prio/7. ENOENT: there is none of that name; any other error says what
	// is wrong with a name that is nearly one (notOne), and is ENOENT for those who open it.
	Control(name string) (Control, error)
}

// Open is what an Object gives when it is opened: a *File, whose reads and writes may wait, Bytes, or a
// *Pending.
type Open interface {
	Stat() (Attr, error)
	Close() error
}

// Bytes is an open file of addressed bytes, whose calls do not wait.
type Bytes interface {
	Open
	ReadAt(p []byte, off int64) (int, error) // pread(2): 0 at the end
	WriteAt(p []byte, off int64) (int, error)
}

// Memory is Bytes that all who have them open share.
type Memory interface {
	Bytes
	Sync() error // fsync(2)
	Locks() *backends.Locks
	Allocate(mode uint32, off, length int64) error
	Seek(off int64, whence int) (int64, error)
	Change(c Change) error
	Writable() error // why it cannot be opened for writing as it is now
	Fd() int
	Carried() bool // the kernel itself may carry them, through the descriptor; else the page cache of the mount does
}

// A Reopener is a class whose Memory goes on in another process by its descriptor, whatever its name leads to
// by then.
type Reopener interface {
	// Reopen makes the Memory of an object again. The descriptor is its own then; after an error it is the
	// caller's. kept is what the Memory has kept beside it, if it is Lasting.
	Reopen(was Ref, fd int, kept []byte) (Memory, error)
}

// mayRemove keeps the sticky rule for the directories that are the tree's own and show 0777: only an
// object's owner or root removes or renames it there. The directories have no real sticky bit: with one,
// fs.protected_regular and fs.protected_fifos would refuse another user's `echo > queue`, which carries
// O_CREAT (proc_sys_fs(5)). In directories that users made the kernel itself judges by the modes.
func mayRemove(by Caller) func(Attr) error {
	return func(a Attr) error {
		if by.Uid != 0 && by.Uid != a.Uid {
			return syscall.EPERM
		}
		return nil
	}
}

// anyone is the rule of the directories in which the kernel judges.
func anyone(Attr) error { return nil }

// ourDir are the attributes of a directory that is only in the tree. It belongs to the daemon's user: in a
// user namespace there may be no other, and the kernel makes nothing in a directory of a user it does not
// know.
func ourDir(ino uint64, perm uint32, since time.Time) Attr {
	return Attr{
		ID: backends.ID{Ino: ino}, Mode: syscall.S_IFDIR | perm, Nlink: 2,
		Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()),
		Atime: since, Mtime: since, Ctime: since,
	}
}

// Root are the attributes of the root of the tree, and of the directories between it and the kinds, by
// their number.
func Root(number int, since time.Time) Attr { return ourDir(uint64(number)+1, 0755, since) }

// nothing is what an object does not do.
type nothing struct{}

// Open refuses.
func (nothing) Open(int, Caller) (Open, error) { return nil, syscall.EPERM }

// Change refuses.
func (nothing) Change(Change) error { return syscall.EPERM }

const (
	accessMode = syscall.O_ACCMODE
	readOnly   = syscall.O_RDONLY
	writeOnly  = syscall.O_WRONLY
)

// writes reports whether open flags ask for writing.
func writes(flags int) bool { return flags&accessMode != readOnly }
