package nodes

import (
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// Fifos is /fifos: true FIFOs (fifo(7)). The kernel carries their data; what is kept in dir is that they exist, and whose they are.
type Fifos struct{ folder }

// NewFifos shows the FIFOs remembered in dir.
func NewFifos(dir *backends.Dir) *Fifos {
	return &Fifos{folder{dir: dir, types: []uint32{syscall.S_IFIFO}}}
}

// Message is Class.Message.
func (*Fifos) Message(Attr) bool { return false }

// Mknod is Maker.Mknod, for mkfifo(3).
func (f *Fifos) Mknod(path string, typ uint32, o Owner) error {
	if typ != syscall.S_IFIFO {
		return &Error{Op: "mknod", Path: "fifos/" + path, Errno: syscall.EPERM, Advice: "only FIFOs live here: mkfifo"}
	}
	return f.dir.Mknod(path, typ, o)
}

// Create makes a FIFO out of the shell's `>` and touch. Such an open cannot be exclusive: the kernel opens the FIFO by looking the
// name up again, and would then find that it exists.
func (f *Fifos) Create(path string, o Owner, exclusive bool) error {
	if exclusive {
		return &Error{Op: "create", Path: "fifos/" + path, Errno: syscall.EOPNOTSUPP,
			Advice: "a FIFO cannot be made by an exclusive open (set -C, O_EXCL): use mkfifo"}
	}
	// One that somebody else has just made will do as well.
	if err := f.dir.Mknod(path, syscall.S_IFIFO, o); err != nil && err != syscall.EEXIST {
		return err
	}
	return ErrNative
}

// Link is Linker.Link.
func (f *Fifos) Link(from, to string) error { return f.dir.Link(from, to) }
