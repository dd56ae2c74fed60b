package nodes

import (
	"slices"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// folder is what the classes have in common whose objects lie in a directory of the kernel's: their names, attributes and folders are
// those of that directory, but only for the file types of the class. Anything else that lies there is not served.
type folder struct {
	dir    *backends.Dir
	types  []uint32 // S_IFMT bits of what is served, besides directories
	shared bool     // other programs use the directory too, by the permissions it has
}

func (f *folder) served(typ uint32) bool {
	return typ == syscall.S_IFDIR || slices.Contains(f.types, typ)
}

// classMode is the mode of a class, whose directory has a mode of its own: open to all, but for what others may not do in a shared
// directory either; and never sticky: see fs for the rule that is kept instead.
func classMode(mode uint32, shared bool) uint32 {
	perm := uint32(0777)
	if shared {
		perm &= mode
	}
	return syscall.S_IFDIR | perm
}

// Stat is Class.Stat.
func (f *folder) Stat(path string) (Attr, error) {
	a, err := f.dir.Stat(path)
	if err != nil {
		return a, err
	}
	if path == "" {
		a.Mode = classMode(a.Mode, f.shared)
	}
	if !f.served(a.Type()) {
		return a, syscall.ENOENT
	}
	return a, nil
}

// List is Class.List.
func (f *folder) List(dir string) ([]Entry, error) {
	list, err := f.dir.List(dir)
	return slices.DeleteFunc(list, func(e Entry) bool { return !f.served(e.Type) }), err
}

// Mkdir is Folders.Mkdir.
func (f *folder) Mkdir(path string, o Owner) error { return f.dir.Mkdir(path, o) }

// Rmdir is Folders.Rmdir.
func (f *folder) Rmdir(path string) error { return f.dir.Rmdir(path) }

// Rename is Folders.Rename.
func (f *folder) Rename(from, to string, flags uint32) error { return f.dir.Rename(from, to, flags) }

// Remove is Remover.Remove.
func (f *folder) Remove(path string) error { return f.dir.Remove(path) }

// Change is Changer.Change.
func (f *folder) Change(path string, c Change) error { return f.dir.Change(path, c) }

// Space is Spacer.Space.
func (f *folder) Space() (Space, error) { return f.dir.Space() }

// Report is Reporter.Report.
func (f *folder) Report(path string) ([]Fact, error) {
	a, err := f.Stat(path)
	if err != nil {
		return nil, err
	}
	return append(owned(a), created(f.dir.Born(path))...), nil
}
