package fs

import (
	"errors"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/nodes"
)

// place is a name in a directory of a class, where something is to be made or removed.
type place struct {
	parent *node
	name   string
	class  nodes.Class
	path   string
}

func (t *Tree) place(parent uint64, name string) (place, fuse.Status) {
	n := t.table.get(parent)
	switch {
	case n == nil:
		return place{}, fuse.Status(syscall.ESTALE)
	case len(name) > nameMax:
		return place{}, fuse.Status(syscall.ENAMETOOLONG)
	case n.kind == rootKind:
		return place{}, fuse.EPERM // which classes there are is not for users to say
	}
	return place{n, name, t.class(n), t.table.path(n, name)}, fuse.OK
}

// made is the answer to whatever made an object, or failed to.
func (t *Tree) made(p place, err error, out *fuse.EntryOut) fuse.Status {
	var other *nodes.Made
	switch {
	case errors.As(err, &other):
		p.name = other.Name
	case err != nil:
		return t.failAt("create", p.parent.kind, p.path, err)
	}
	return t.lookup(p.parent, p.name, out)
}

// owner is who made a request, of the mode it asks for.
func owner(h *fuse.InHeader, mode, umask uint32) nodes.Owner {
	mode &= 07777
	return nodes.Owner{Uid: h.Uid, Gid: h.Gid, Mode: mode &^ umask, Umask: mode & umask}
}

// Create is open(2) with O_CREAT of a name that did not exist when the kernel looked.
func (t *Tree) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	p, status := t.place(in.NodeId, name)
	if !status.Ok() {
		return status
	}
	class, ok := p.class.(nodes.Creator)
	if !ok {
		return fuse.EPERM
	}
	exclusive := in.Flags&syscall.O_EXCL != 0
	err := class.Create(p.path, owner(&in.InHeader, in.Mode, in.Umask), exclusive)
	flags, made := in.Flags, true
	if errors.Is(err, syscall.EEXIST) && !exclusive {
		err, flags, made = nil, flags&^syscall.O_CREAT, false // somebody else made it meanwhile, and that will do
	}
	if status := t.made(p, err, &out.EntryOut); !status.Ok() {
		return status
	}
	n := t.table.get(out.NodeId)
	if status := t.open(n, flags, &in.InHeader, &out.OpenOut); !status.Ok() {
		path := t.table.path(n, "") // touch :0 makes another name
		_, other := t.still(n, path)
		if remover, ok := p.class.(nodes.Remover); ok && made && other == nil {
			_ = remover.Remove(path) // nothing is made by an open that fails
		}
		t.table.forget(n.id, 1)
		return status
	}
	return fuse.OK
}

// Tmpfile is open(2) with O_TMPFILE, for which memfd_create(2) is there.
func (t *Tree) Tmpfile(<-chan struct{}, *fuse.CreateIn, *fuse.CreateOut) fuse.Status {
	return fuse.Status(syscall.EOPNOTSUPP)
}

// Mknod is mkfifo, bind, and mknod of a regular file.
func (t *Tree) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	p, status := t.place(in.NodeId, name)
	if !status.Ok() {
		return status
	}
	typ := in.Mode & syscall.S_IFMT
	if typ == 0 {
		typ = syscall.S_IFREG
	}
	if class, ok := p.class.(nodes.Maker); ok {
		return t.made(p, class.Mknod(p.path, typ, owner(&in.InHeader, in.Mode, in.Umask)), out)
	}
	if class, ok := p.class.(nodes.Creator); ok && typ == syscall.S_IFREG {
		return t.made(p, class.Create(p.path, owner(&in.InHeader, in.Mode, in.Umask), true), out)
	}
	return fuse.EPERM
}

// Mkdir is mkdir(2).
func (t *Tree) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	p, status := t.place(in.NodeId, name)
	if !status.Ok() {
		return status
	}
	class, ok := p.class.(nodes.Folders)
	if !ok {
		return fuse.EPERM
	}
	return t.made(p, class.Mkdir(p.path, owner(&in.InHeader, in.Mode, in.Umask)), out)
}

// Symlink is refused: an object is reached by its own name.
func (t *Tree) Symlink(<-chan struct{}, *fuse.InHeader, string, string, *fuse.EntryOut) fuse.Status {
	return fuse.EPERM
}

// Link is link(2).
func (t *Tree) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	p, status := t.place(in.NodeId, name)
	if !status.Ok() {
		return status
	}
	old := t.table.get(in.Oldnodeid)
	if old == nil {
		return fuse.Status(syscall.ESTALE)
	}
	if old.kind != p.parent.kind {
		return fuse.EXDEV
	}
	class, ok := p.class.(nodes.Linker)
	if !ok {
		return fuse.EPERM
	}
	path := t.table.path(old, "")
	if _, err := t.still(old, path); err != nil {
		return t.fail(err)
	}
	return t.made(p, class.Link(path, p.path), out)
}
