package nodes

import (
	"slices"
	"sync"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// folder is what the classes have in common whose objects lie in a directory of the kernel's. Their names,
// attributes and directories are those of that directory. Only files of the class's types are served,
// nothing else that lies there.
type folder struct {
	dir     *backends.Dir
	types   []uint32 // S_IFMT bits of what is served, besides directories
	message uint32   // that of the message faces among them; 0: none
	shared  bool     // others change what lies there too, and the kernel judges what is done in whose name

	tally backends.Tally
	names sync.Mutex // held from the look at what a name leads to, to its removal
}

// entry is an object or a directory of a folder.
type entry struct {
	*folder
	Seen
}

func (f *folder) served(typ uint32) bool {
	return typ == syscall.S_IFDIR || slices.Contains(f.types, typ)
}

// seen is what was found at a path.
func (f *folder) seen(path string, a Attr) Seen {
	return Seen{Ref: Ref{Path: path, Was: a}, Message: f.message != 0 && a.Type() == f.message}
}

// classMode is the mode of a class whose directory has a mode of its own. It is open to all, except for
// what others may not do in a shared directory either. It is never sticky: see mayRemove for the rule that
// is kept instead.
func classMode(mode uint32, shared bool) uint32 {
	perm := uint32(0777)
	if shared {
		perm &= mode
	}
	return syscall.S_IFDIR | perm
}

// Stat is Object.Stat.
func (e entry) Stat(bool) (Attr, error) {
	a, err := e.dir.Stat(e.Ref)
	switch {
	case err != nil:
	case e.Path == "":
		a.Mode = classMode(a.Mode, e.shared)
	case !e.served(a.Type()):
		return a, syscall.ENOENT
	}
	return a, err
}

// Open is Object.Open; there is nothing to open.
func (entry) Open(int, Caller) (Open, error) { return nil, syscall.EPERM }

// Change is Object.Change; the class itself stays as it is.
func (e entry) Change(c Change) error {
	if e.Path == "" {
		return syscall.EPERM
	}
	return e.dir.Change(e.Ref, c)
}

// Report is reporter.Report.
func (e entry) Report() ([]Fact, error) {
	a, err := e.Stat(false)
	if err != nil {
		return nil, err
	}
	return append(owned(a), created(a.BornAt())...), nil
}

// sole is soleMaker.sole.
func (e entry) sole() bool { return !e.shared }

// name is a name in the directory.
func (e entry) name(base string) Name { return Name{Dir: e.Ref, Base: base} }

// Find is Directory.Find.
func (e entry) Find(name string) (Seen, error) {
	n := e.name(name)
	a, err := e.dir.Find(n)
	if err == nil && !e.served(a.Type()) {
		err = syscall.ENOENT
	}
	return e.seen(n.Path(), a), err
}

// List is Directory.List.
func (e entry) List() ([]Entry, error) {
	list, err := e.dir.List(e.Ref)
	return slices.DeleteFunc(list, func(one Entry) bool { return !e.served(one.Type) }), err
}

// Count is Counter.Count, of the directory of the class.
func (e entry) Count() (int, error) { return e.tally.Count(e.dir, e.served) }

// mknod makes a node.
func (e entry) mknod(name string, typ uint32, o Owner) (Seen, error) {
	n := e.name(name)
	a, err := e.dir.Mknod(n, typ, o)
	return e.seen(n.Path(), a), err
}

// Mkdir is Folders.Mkdir.
func (e entry) Mkdir(name string, o Owner) (Seen, error) {
	n := e.name(name)
	a, err := e.dir.Mkdir(n, o)
	return e.seen(n.Path(), a), err
}

// Link is Linker.Link.
func (e entry) link(from Ref, name string) (Seen, error) {
	n := e.name(name)
	a, err := e.dir.Link(from, n)
	return e.seen(n.Path(), a), err
}

// may is who may remove and rename names of the directory.
func (e entry) may(by Caller) func(Attr) error {
	if e.Path == "" {
		return mayRemove(by)
	}
	return anyone
}

// Remove is Maker.Remove.
func (e entry) Remove(name string, by Caller) error {
	_, err := e.remove(name, by, e.dir.Remove)
	return err
}

// Rmdir is Folders.Rmdir.
func (e entry) Rmdir(name string, by Caller) error {
	_, err := e.remove(name, by, e.dir.Rmdir)
	return err
}

// remove removes a name, if its user may, and tells what it was.
func (e entry) remove(name string, by Caller, f func(Name) error) (a Attr, err error) {
	n := e.name(name)
	if e.shared {
		return a, backends.As(by.cred(), 0, func() error { return f(n) })
	}
	e.names.Lock()
	defer e.names.Unlock()
	if a, err = e.dir.Find(n); err == nil {
		err = e.may(by)(a)
	}
	if err != nil {
		return a, err
	}
	return a, f(n)
}

// Rename is Folders.Rename.
func (e entry) Rename(name string, to Directory, newName string, flags uint32, by Caller) error {
	dest, ok := to.(interface{ name(string) Name })
	if !ok {
		return syscall.EXDEV
	}
	from, into := e.name(name), dest.name(newName)
	if e.shared {
		return backends.As(by.cred(), 0, func() error { return e.dir.Rename(from, into, flags) })
	}
	e.names.Lock()
	defer e.names.Unlock()
	_, err := e.rename(from, into, flags, by)
	return err
}

// rename renames, if its user may, and tells what was at the new name. The caller holds e.names.
func (e entry) rename(from, to Name, flags uint32, by Caller) (old Attr, err error) {
	a, err := e.dir.Find(from)
	if err == nil {
		err = e.may(by)(a)
	}
	if err != nil {
		return old, err
	}
	if old, err = e.dir.Find(to); err == nil && to.Dir.Path == "" {
		err = mayRemove(by)(old)
	} else {
		err = nil
	}
	if err == nil {
		err = e.dir.Rename(from, to, flags)
	}
	return old, err
}

// space is what room there is for objects.
func (f *folder) space() (Space, error) { return f.dir.Space() }
