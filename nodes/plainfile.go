package nodes

import (
	"sync"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// plain reports whether a file in the state directory is a plain one, not the face of a listener. A bit in
// its mode says so. It is never shown, nobody can set it, and it stays through rename and link for the next
// daemon.
func plain(a Attr) bool { return a.Type() == syscall.S_IFREG && a.Mode&backends.PlainMark != 0 }

// maxPlain is how many one user may have, with those that are removed and still open. Those that have a
// name also take of the room that there is for all (backends.Room).
const maxPlain = 256

// plainFiles are the plain files in /sockets: those that O_EXCL made. They are the lock and pid files that
// programs keep beside their sockets (PostgreSQL's .s.PGSQL.5432.lock): bytes, as on tmpfs.
type plainFiles struct {
	used *backends.Budget

	mu  sync.Mutex
	all map[backends.ID]*plainLife
}

// plainLife is from the making of a plain file to its last close after its last name is gone.
type plainLife struct {
	payer uint32
	open  int
	gone  bool // it has no name
}

func newPlainFiles() *plainFiles {
	return &plainFiles{
		all: map[backends.ID]*plainLife{},
		used: backends.NewBudget(backends.Terms{Name: "socket_files", Err: syscall.EDQUOT},
			func(int64) backends.Bounds { return backends.EachMay(maxPlain) }),
	}
}

// Plain is the budget of plain files.
func (s *Sockets) Plain() *backends.Budget { return s.plains.used }

// has reports whether it is a plain file's identity.
func (p *plainFiles) has(id backends.ID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[id] != nil
}

// met notes a file that was found in the state directory, or made and paid for. The caller holds names, so
// that the file is not removed meanwhile.
func (p *plainFiles) met(a Attr, paid bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all[a.ID] != nil {
		return
	}
	p.all[a.ID] = &plainLife{payer: a.Uid}
	if !paid {
		p.used.Add(a.Uid, 1)
	}
}

// change calls f with the life of a file, and ends it if it is to end.
func (p *plainFiles) change(id backends.ID, f func(*plainLife)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.all[id]
	if one == nil {
		return
	}
	f(one)
	if one.gone && one.open == 0 {
		delete(p.all, id)
		p.used.Give(one.payer, 1)
	}
}

// lost is called when a file has lost its last name.
func (p *plainFiles) lost(id backends.ID) { p.change(id, func(one *plainLife) { one.gone = true }) }

// belongs has the new owner of a file pay for it.
func (p *plainFiles) belongs(id backends.ID, uid uint32) {
	p.change(id, func(one *plainLife) {
		p.used.Move(one.payer, uid, 1)
		one.payer = uid
	})
}

// plainFile is a plain file in /sockets.
type plainFile struct {
	entry
	all *Sockets
}

// plain is the plain file that was seen.
func (s *Sockets) plain(seen Seen) plainFile {
	seen.Was.Mode |= backends.PlainMark
	return plainFile{entry{&s.folder, seen}, s}
}

// createPlain makes a plain file and opens it.
func (e socketEntry) createPlain(name string, o Owner, flags int, by Caller) (Seen, Open, error) {
	if err := e.all.plains.used.Take(o.Uid, 1); err != nil {
		return Seen{}, nil, err
	}
	o.Mode = o.Mode&^notOurs | backends.PlainMark
	n := e.name(name)
	a, err := e.mknodPlain(n, o)
	if err != nil {
		e.all.plains.used.Give(o.Uid, 1)
		return Seen{}, nil, err
	}
	seen := Seen{Ref: Ref{Path: n.Path(), Was: e.shown(n.Path(), a)}}
	open, err := e.all.plain(seen).Open(flags, by)
	if err != nil {
		Unmake(e, seen, Caller{})
	}
	return seen, open, err
}

// mknodPlain makes a plain file that is paid for.
func (e socketEntry) mknodPlain(n Name, o Owner) (Attr, error) {
	e.names.Lock()
	defer e.names.Unlock()
	a, err := e.dir.Mknod(n, syscall.S_IFREG, o)
	if err == nil {
		e.all.plains.met(a, true)
	}
	return a, err
}

// Stat is Object.Stat.
func (f plainFile) Stat(bool) (Attr, error) {
	a, err := f.entry.Stat(false)
	a.Mode &^= backends.PlainMark
	return a, err
}

// Open is Object.Open.
func (f plainFile) Open(flags int, _ Caller) (Open, error) {
	m, err := backends.OpenMemory(f.dir, f.Ref)
	if err != nil {
		return nil, err
	}
	open := &openPlain{m, f}
	f.all.plains.change(f.Was.ID, func(one *plainLife) { one.open++ })
	if flags&syscall.O_TRUNC != 0 {
		var none int64
		if err := open.Change(Change{Size: &none}); err != nil {
			open.Close()
			return nil, err
		}
	}
	return open, nil
}

// Reopen is Reopener.Reopen, of a plain file.
func (s *Sockets) Reopen(was Ref, fd int, _ []byte) (Memory, error) {
	f := s.plain(Seen{Ref: was})
	m, err := backends.ReopenMemory(f.dir, f.Ref, fd)
	if err != nil {
		return nil, err
	}
	a, err := m.Stat()
	if err != nil {
		return nil, err
	}
	f.all.plains.met(a, false) // one that has no name was not found
	f.all.plains.change(a.ID, func(one *plainLife) { one.open, one.gone = one.open+1, a.Nlink == 0 })
	return &openPlain{m, f}, nil
}

// Change is Object.Change.
func (f plainFile) Change(c Change) error { return f.change(c, f.entry.Change) }

// change changes what may be changed by apply.
func (f plainFile) change(c Change, apply func(Change) error) error {
	if c.Size != nil && *c.Size > backends.PlainBytes {
		return f.tooLong()
	}
	if c.Mode != nil {
		mode := *c.Mode&^notOurs | backends.PlainMark
		c.Mode = &mode
	}
	err := apply(c)
	if err == nil && c.Uid != nil {
		f.all.plains.belongs(f.Was.ID, *c.Uid)
	}
	return err
}

func (f plainFile) tooLong() error {
	return refuse("write", backends.Refusal{Err: syscall.EFBIG, Why: whyPlainLong, Most: backends.PlainBytes})
}

// Report is reporter.Report.
func (f plainFile) Report() ([]Fact, error) {
	a, err := f.Stat(true)
	facts := append(owned(a), created(a.BornAt())...)
	return append(facts, Fact{"state", "file"}, Fact{"bytes", a.Size}, Fact{"links", int(a.Nlink)}), err
}

// openPlain is a plain file that is open. The page cache of the mount carries its bytes: nobody else has
// the file, and the kernel alone would not keep it from growing.
type openPlain struct {
	*backends.Memory
	of plainFile
}

// Carried reports that the kernel may not.
func (*openPlain) Carried() bool { return false }

// WriteAt is pwrite(2): what is beyond the longest length is EFBIG.
func (o *openPlain) WriteAt(p []byte, off int64) (int, error) {
	room := backends.PlainBytes - off
	if room <= 0 && len(p) > 0 {
		return 0, o.of.tooLong()
	}
	return o.Memory.WriteAt(p[:min(int64(len(p)), room)], off)
}

// Allocate is fallocate(2).
func (o *openPlain) Allocate(mode uint32, off, length int64) error {
	if off > backends.PlainBytes-length {
		return o.of.tooLong()
	}
	return o.Memory.Allocate(mode, off, length)
}

// Stat is fstat(2).
func (o *openPlain) Stat() (Attr, error) {
	a, err := o.Memory.Stat()
	a.Mode &^= backends.PlainMark
	return a, err
}

// Change sets attributes.
func (o *openPlain) Change(c Change) error {
	was, err := o.Memory.Stat()
	if err != nil {
		return err
	}
	err = o.of.change(c, o.Memory.Change)
	if err == nil && c.Uid != nil && was.Nlink > 0 {
		o.of.dir.Room().Move(was.Uid, *c.Uid, was.Mode)
	}
	return err
}

// Close closes it.
func (o *openPlain) Close() error {
	o.of.all.plains.change(o.of.Was.ID, func(one *plainLife) { one.open-- })
	return o.Memory.Close()
}
