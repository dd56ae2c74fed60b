// Package nodes says how each kind of object looks as files: names, modes, faces and control files. One file defines one kind; a
// kind is a Class with as many of the small interfaces below as make sense for it, and what it leaves out is answered with EPERM.
//
// Paths are those inside the class: "jobs", or "plant/line1" where a class holds directories, and "" for the class itself.
// Errors are of the errno table in errno.go; an *Error carries advice for a person besides.
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
	Owner  = backends.Owner
	Space  = backends.Space
)

// A Class is one kind of object, or any other part of the tree that can be looked at.
type Class interface {
	// Stat is lstat(2). It is asked for every path walked, and is never cached.
	Stat(path string) (Attr, error)
	// List names what a directory holds, in any order.
	List(dir string) ([]Entry, error)
	// Message reports whether an object of these attributes is a message face: read and written through the daemon, one message at
	// a time, and waited for.
	Message(a Attr) bool
}

// A Creator makes what opening a new name with O_CREAT makes. The name does not exist; EEXIST if it was made meanwhile.
// ErrNative says that what was made is one the kernel must open itself.
type Creator interface {
	Create(path string, o Owner, exclusive bool) error
}

// Made is the answer of a Creator or Newer that made something by another name than it was asked for, in the same directory.
type Made struct{ Name string }

func (m *Made) Error() string { return "made as " + m.Name }

// A Maker is mknod(2): mkfifo, or bind of a socket. typ is S_IFIFO, S_IFSOCK or S_IFREG.
type Maker interface {
	Mknod(path string, typ uint32, o Owner) error
}

// An Opener opens an object for the access in flags (O_RDONLY, O_WRONLY, O_RDWR; O_NONBLOCK; O_TRUNC). It never blocks: if there is
// something to wait for, what it gives is a *Pending.
type Opener interface {
	Open(path string, flags int, by Caller) (Open, error)
}

// A Remover is unlink(2).
type Remover interface{ Remove(path string) error }

// A Keeper has directories of its own that are open to all, as the classes themselves are. In them, too, only the owner of an object or
// root removes it.
type Keeper interface{ Keeps(dir string) bool }

// A Changer sets attributes.
type Changer interface {
	Change(path string, c Change) error
}

// Folders are the calls of a class that holds directories, as mkdir(2), rmdir(2) and renameat2(2).
type Folders interface {
	Mkdir(path string, o Owner) error
	Rmdir(path string) error
	Rename(from, to string, flags uint32) error
}

// A Linker is link(2).
type Linker interface{ Link(from, to string) error }

// A Pointer holds symbolic links.
type Pointer interface {
	Readlink(path string) (string, error)
}

// A Sizer tells how many bytes wait in a message object, where Stat would be slower for it; only fstat asks.
type Sizer interface{ Size(path string) int64 }

// A Newer makes an object with attributes, for /ctl/new. The options of c have mode besides its own.
type Newer interface {
	New(path string, o Owner, c Command) error
}

// A Spacer tells what room there is for objects.
type Spacer interface{ Space() (Space, error) }

// A Reporter tells about an object, for its status file: facts in the order they are shown.
type Reporter interface {
	Report(path string) ([]Fact, error)
}

// Open is what an Opener gives: a *File, whose reads and writes may wait, Bytes, or a *Pending.
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

// Memory is Bytes that the kernel itself may carry, through the descriptor.
type Memory interface {
	Bytes
	Allocate(mode uint32, off, length int64) error
	Seek(off int64, whence int) (int64, error)
	Change(c Change) error
	Writable() error // why it cannot be opened for writing as it is now
	Fd() int
}

// ErrNative is a Creator's answer when it made something the kernel itself must open, a FIFO: it makes the kernel look the name up
// again (open(2) with ESTALE, Linux 3.8 and later).
var ErrNative error = syscall.ESTALE

// ourDir are the attributes of a directory that is only in the tree. It belongs to the daemon's user: in a user namespace there may be no
// other, and the kernel makes nothing in a directory of a user it does not know.
func ourDir(perm uint32, since time.Time) Attr {
	return Attr{
		Ino: 1, Mode: syscall.S_IFDIR | perm, Nlink: 2, Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()),
		Atime: since, Mtime: since, Ctime: since,
	}
}

// Root are the attributes of the root of the tree.
func Root(since time.Time) Attr { return ourDir(0755, since) }

const (
	accessMode = syscall.O_ACCMODE
	readOnly   = syscall.O_RDONLY
	writeOnly  = syscall.O_WRONLY
)

// writes reports whether open flags ask for writing.
func writes(flags int) bool { return flags&accessMode != readOnly }
