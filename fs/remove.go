package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// Unlink is unlink(2).
func (t *Tree) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	parent, object, status := t.directory(h, "remove", h.NodeId, name)
	if !status.Ok() {
		return status
	}
	maker, ok := object.(nodes.Maker)
	if !ok {
		return t.fixed(h, "remove", parent, name, syscall.EPERM)
	}
	return t.remove(h, parent, object, name, func() error { return maker.Remove(name, caller(h)) })
}

// Rmdir is rmdir(2).
func (t *Tree) Rmdir(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	parent, object, status := t.directory(h, "remove", h.NodeId, name)
	if !status.Ok() {
		return status
	}
	dir, ok := object.(nodes.Folders)
	if !ok {
		return t.flat(h, "remove", parent, name)
	}
	return t.remove(h, parent, object, name, func() error { return dir.Rmdir(name, caller(h)) })
}

// remove removes a name by f, once, and parts what it led to from its node.
func (t *Tree) remove(h *fuse.InHeader, parent Node, object nodes.Object, name string, f func() error) fuse.Status {
	seen, _, _, err := t.env.Acts.Once(RequestOf(h.Unique), nodes.Act{
		Dir: object.(nodes.Directory), Name: name,
		Do: func(nodes.Owner) (nodes.Seen, error) { return nodes.Seen{}, f() },
	})
	if err != nil {
		return t.failAt(h.Uid, "remove", parent, name, err)
	}
	t.lost(parent.Kind, seen)
	return fuse.OK
}

// lost parts an object from its node if that was its last name.
func (t *Tree) lost(kind int32, s nodes.Seen) {
	if s.Was.Nlink <= 1 || s.Was.Type() == syscall.S_IFDIR {
		t.table.gone(key{kind, s.Was.ID, s.Part})
	}
}

// Rename is renameat2(2), inside a class.
func (t *Tree) Rename(_ <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	from, object, status := t.directory(&in.InHeader, "rename", in.NodeId, oldName)
	if !status.Ok() {
		return status
	}
	to, toObject, status := t.directory(&in.InHeader, "rename", in.Newdir, newName)
	if !status.Ok() {
		return status
	}
	if from.Kind != to.Kind {
		// Not EXDEV: then mv(1) would copy, and so take the messages of the one, or a call, write
		// them to the other, and remove the first.
		return t.failAt(in.Uid, "rename", from, oldName, nodes.ErrClass)
	}
	folders, ok := object.(nodes.Folders)
	if !ok {
		return t.flat(&in.InHeader, "rename", from, oldName)
	}
	dest := toObject.(nodes.Directory)
	a, old, _, err := t.env.Acts.Once(RequestOf(in.Unique), nodes.Act{
		Dir: object.(nodes.Directory), Name: oldName, To: dest, New: newName,
		Do: func(nodes.Owner) (nodes.Seen, error) {
			return nodes.Seen{}, folders.Rename(oldName, dest, newName, in.Flags, caller(&in.InHeader))
		},
	})
	if err != nil {
		return t.failAt(in.Uid, "rename", from, oldName, err)
	}
	t.table.moved(key{from.Kind, a.Was.ID, a.Part}, to.ID, newName)
	switch {
	case old.Was.ID == backends.ID{} || old.Was.ID == a.Was.ID:
	case in.Flags&unix.RENAME_EXCHANGE != 0:
		t.table.moved(key{to.Kind, old.Was.ID, old.Part}, from.ID, oldName)
	default:
		t.lost(to.Kind, old)
	}
	return fuse.OK
}
