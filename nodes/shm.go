package nodes

import (
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// Shm is /shm: POSIX shared memory objects, which are regular files here as they are where the kernel keeps them.
type Shm struct{ folder }

// NewShm shows the objects in dir, which is /dev/shm.
func NewShm(dir *backends.Dir) *Shm {
	dir.HeedACLs() // other programs reach what lies there too, so lists of theirs count
	return &Shm{folder{dir: dir, types: []uint32{syscall.S_IFREG}, shared: true}}
}

// Message is Class.Message: the kernel carries the bytes.
func (*Shm) Message(Attr) bool { return false }

// Create is Creator.Create.
func (s *Shm) Create(path string, o Owner, _ bool) error {
	return s.dir.Mknod(path, syscall.S_IFREG, o)
}

// Open is Opener.Open.
func (s *Shm) Open(path string, flags int, _ Caller) (Open, error) {
	m, err := backends.OpenMemory(s.dir, path)
	if err != nil {
		return nil, err
	}
	if writes(flags) {
		err = m.Writable()
	}
	if err == nil && flags&syscall.O_TRUNC != 0 {
		var none int64
		err = m.Change(Change{Size: &none})
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Link is Linker.Link; sem_open(3) makes its semaphores with it.
func (s *Shm) Link(from, to string) error { return s.dir.Link(from, to) }

// Report is Reporter.Report.
func (s *Shm) Report(path string) ([]Fact, error) {
	a, err := s.Stat(path)
	if err != nil {
		return nil, err
	}
	facts, err := s.folder.Report(path)
	return append(facts,
		Fact{"bytes", a.Size},
		Fact{"allocated", a.Blocks * 512},
		Fact{"links", int(a.Nlink)}), err
}
