package nodes

import (
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// Fifos is /fifos: true FIFOs (fifo(7)). The kernel carries their data. A directory keeps which FIFOs there
// are, and whose they are.
type Fifos struct {
	folder
	opened time.Time
}

// NewFifos shows the FIFOs remembered in dir.
func NewFifos(dir *backends.Dir) *Fifos {
	return &Fifos{folder{dir: dir, types: []uint32{syscall.S_IFIFO}}, time.Now()}
}

// FifoClass describes FIFOs.
var FifoClass = Description{What: "FIFOs", Events: fileEvents}

// Describe is described.Describe.
func (*Fifos) Describe() *Description { return &FifoClass }

// At is Class.At.
func (f *Fifos) At(seen Seen) Object { return fifo{entry{&f.folder, seen}, f.opened} }

// Space is what room there is for objects.
func (f *Fifos) Space() (Space, error) { return f.space() }

// fifo is a FIFO, or a directory of them.
type fifo struct {
	entry
	opened time.Time // the tree
}

// Report is reporter.Report.
func (f fifo) Report() ([]Fact, error) {
	a, err := f.Stat(false)
	facts := append(owned(a), created(a.BornAt())...)
	if a.Type() == syscall.S_IFIFO {
		facts = append(facts, older(a, f.opened)...)
	}
	return facts, err
}

// Mknod is Maker.Mknod, for mkfifo(3).
func (f fifo) Mknod(name string, typ uint32, o Owner) (Seen, error) {
	if typ != syscall.S_IFIFO {
		return Seen{}, refuse("mknod", backends.Refusal{Err: syscall.EPERM, Why: whyOnlyFifos})
	}
	return f.mknod(name, typ, o)
}

// Create makes a FIFO of what the shell's `>` and touch open, for the kernel to open. Such an open cannot
// be exclusive: the kernel opens the FIFO by looking its name up again, and would find that it exists.
func (f fifo) Create(name string, o Owner, flags int, _ Caller) (Seen, Open, error) {
	if flags&syscall.O_EXCL != 0 {
		return Seen{}, nil, refuse("create", backends.Refusal{Err: syscall.EOPNOTSUPP, Why: whyExclusive})
	}
	seen, err := f.Mknod(name, syscall.S_IFIFO, o)
	return seen, nil, err
}

// Link is Linker.Link.
func (f fifo) Link(o Object, name string) (Seen, error) {
	from, ok := o.(fifo)
	if !ok {
		return Seen{}, syscall.EXDEV
	}
	return f.link(from.Ref, name)
}
