package nodes

import (
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// Shm is /shm: POSIX shared memory objects, which are regular files here as they are where the kernel keeps
// them.
type Shm struct{ folder }

// NewShm shows the objects in dir, which is /dev/shm.
func NewShm(dir *backends.Dir) *Shm {
	dir.HeedACLs() // other programs reach what lies there too, so lists of theirs count
	return &Shm{folder{dir: dir, types: []uint32{syscall.S_IFREG}, shared: true}}
}

// ShmClass describes POSIX shared memory.
var ShmClass = Description{What: "POSIX shared memory", Events: fileEvents}

// Describe is described.Describe.
func (*Shm) Describe() *Description { return &ShmClass }

// At is Class.At.
func (s *Shm) At(seen Seen) Object { return memory{entry{&s.folder, seen}} }

// Space is what room there is for objects.
func (s *Shm) Space() (Space, error) { return s.space() }

// memory is a shared memory object, or a directory of them.
type memory struct{ entry }

// Create is Maker.Create.
func (m memory) Create(name string, o Owner, flags int, by Caller) (Seen, Open, error) {
	seen, err := m.Mknod(name, syscall.S_IFREG, o)
	if err != nil {
		return seen, nil, err
	}
	// What was just made is empty.
	open, err := memory{entry{m.folder, seen}}.Open(flags&^syscall.O_TRUNC, by)
	if err != nil {
		Unmake(m, seen, by)
	}
	return seen, open, err
}

// Mknod is Maker.Mknod.
func (m memory) Mknod(name string, typ uint32, o Owner) (Seen, error) {
	if typ != syscall.S_IFREG {
		return Seen{}, syscall.EPERM
	}
	return m.mknod(name, typ, o)
}

// Open is Object.Open.
func (m memory) Open(flags int, _ Caller) (Open, error) {
	open, err := backends.OpenMemory(m.dir, m.Ref)
	if err != nil {
		return nil, err
	}
	if writes(flags) {
		err = open.Writable()
	}
	if err == nil && flags&syscall.O_TRUNC != 0 {
		var none int64
		err = open.Change(Change{Size: &none})
	}
	if err != nil {
		open.Close()
		return nil, err
	}
	return open, nil
}

// Reopen is Reopener.Reopen.
func (s *Shm) Reopen(was Ref, fd int, _ []byte) (Memory, error) {
	open, err := backends.ReopenMemory(s.dir, was, fd)
	if err != nil {
		return nil, err
	}
	return open, nil
}

// Link is Linker.Link; sem_open(3) makes its semaphores with it.
func (m memory) Link(o Object, name string) (Seen, error) {
	from, ok := o.(memory)
	if !ok {
		return Seen{}, syscall.EXDEV
	}
	return m.link(from.Ref, name)
}

// Report is reporter.Report.
func (m memory) Report() ([]Fact, error) {
	a, err := m.Stat(true)
	if err != nil {
		return nil, err
	}
	return append(append(append(owned(a), native(a)...), created(a.BornAt())...),
		Fact{"bytes", a.Size}, Fact{"allocated", a.Blocks * 512}, Fact{"links", int(a.Nlink)}), nil
}
