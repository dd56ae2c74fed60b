package nodes

import (
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// The names in /sockets: who removes and renames them, and what that ends.

// may is who may remove and rename names of the directory.
func (e socketEntry) may(by Caller) func(Attr) error {
	if network(e.Path) {
		return mayRemove(by)
	}
	return e.entry.may(by)
}

// Remove is Maker.Remove. Connections go on; an open that waits to accept ends.
func (e socketEntry) Remove(name string, by Caller) error {
	e.names.Lock()
	defer e.names.Unlock()
	n := e.name(name)
	if to, err := parseHost(n.Path()); err == nil && !to.Listens() {
		return syscall.EPERM
	}
	a, err := e.dir.Find(n)
	if err == nil {
		err = e.may(by)(a)
	}
	if err == nil {
		err = e.dir.Remove(n)
	}
	if err == nil {
		e.all.lost(a)
	}
	return err
}

// lost is called when an object has lost a name, which may have been its last.
func (s *Sockets) lost(a Attr) {
	if a.Nlink > 1 {
		return
	}
	if plain(a) {
		s.plains.lost(a.ID)
	}
	key := socketKey{id: a.ID}
	s.mu.Lock()
	one := s.all[key]
	s.drop(key)
	s.mu.Unlock()
	if one != nil {
		one.close()
	}
}

// errAddress is why nothing else is made of the names in tcp and udp.
var errAddress = &backends.Refusal{Err: syscall.EPERM, Why: whyAddress}

// Mkdir is Folders.Mkdir.
func (e socketEntry) Mkdir(name string, o Owner) (Seen, error) {
	if network(e.Path) {
		return Seen{}, advise("mkdir", syscall.EPERM, errAddress)
	}
	return e.entry.Mkdir(name, o)
}

// Rmdir is Folders.Rmdir.
func (e socketEntry) Rmdir(name string, by Caller) error {
	if network(e.name(name).Path()) {
		return syscall.EPERM
	}
	return e.entry.Rmdir(name, by)
}

// Rename is Folders.Rename: a face that is replaced stops listening.
func (e socketEntry) Rename(name string, to Directory, newName string, flags uint32, by Caller) error {
	dest, ok := to.(socketEntry)
	if !ok {
		return syscall.EXDEV
	}
	from, into := e.name(name), dest.name(newName)
	if network(e.Path) || network(dest.Path) || network(from.Path()) || network(into.Path()) {
		return advise("rename", syscall.EPERM, errAddress)
	}
	e.names.Lock()
	defer e.names.Unlock()
	old, err := e.rename(from, into, flags, by)
	if err != nil || flags != 0 || old.ID == (backends.ID{}) {
		return err
	}
	if now, err := e.dir.Find(into); err == nil && now.ID != old.ID {
		e.all.lost(old)
	}
	return nil
}
