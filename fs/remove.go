package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// mayRemove keeps the sticky rule for the directories that are the tree's own and show 0777: only an object's owner or root removes or
// renames it there. A real sticky bit would let fs.protected_regular and fs.protected_fifos refuse another user's `echo > queue`, which
// carries O_CREAT (proc_sys_fs(5)). In directories that users made the kernel itself judges by their modes.
func (t *Tree) mayRemove(h *fuse.InHeader, p place, a nodes.Attr) bool {
	_, folders := p.class.(nodes.Folders)
	ours := !folders || t.table.top(p.parent)
	if keeper, ok := p.class.(nodes.Keeper); ok && !ours {
		ours = keeper.Keeps(t.table.path(p.parent, ""))
	}
	return !ours || h.Uid == 0 || h.Uid == a.Uid
}

// Unlink is unlink(2).
func (t *Tree) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	p, status := t.place(h.NodeId, name)
	if !status.Ok() {
		return status
	}
	class, ok := p.class.(nodes.Remover)
	if !ok {
		return fuse.EPERM
	}
	return t.remove(h, p, class.Remove)
}

// Rmdir is rmdir(2).
func (t *Tree) Rmdir(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	p, status := t.place(h.NodeId, name)
	if !status.Ok() {
		return status
	}
	class, ok := p.class.(nodes.Folders)
	if !ok {
		return fuse.EPERM
	}
	return t.remove(h, p, class.Rmdir)
}

func (t *Tree) remove(h *fuse.InHeader, p place, f func(path string) error) fuse.Status {
	a, err := p.class.Stat(p.path)
	if err != nil {
		return t.fail(err)
	}
	if !t.mayRemove(h, p, a) {
		return fuse.EPERM
	}
	if err := f(p.path); err != nil {
		return t.failAt("remove", p.parent.kind, p.path, err)
	}
	t.lost(p.parent.kind, a)
	return fuse.OK
}

// lost parts an object from its node if that was its last name.
func (t *Tree) lost(kind int, a nodes.Attr) {
	if a.Nlink <= 1 || a.Type() == syscall.S_IFDIR {
		t.table.gone(key{kind, a.Ino})
	}
}

// Rename is renameat2(2), inside a class.
func (t *Tree) Rename(_ <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	from, status := t.place(in.NodeId, oldName)
	if !status.Ok() {
		return status
	}
	to, status := t.place(in.Newdir, newName)
	if !status.Ok() {
		return status
	}
	if from.parent.kind != to.parent.kind {
		return fuse.EPERM // not EXDEV, on which mv(1) reads the one, and so takes its messages or a call, writes the other and removes the first
	}
	class, ok := from.class.(nodes.Folders)
	if !ok {
		return fuse.EPERM
	}
	a, err := from.class.Stat(from.path)
	if err != nil {
		return t.fail(err)
	}
	old, missing := to.class.Stat(to.path)
	if !t.mayRemove(&in.InHeader, from, a) || missing == nil && !t.mayRemove(&in.InHeader, to, old) {
		return fuse.EPERM
	}
	if err := class.Rename(from.path, to.path, in.Flags); err != nil {
		return t.failAt("rename", from.parent.kind, from.path, err)
	}
	t.table.moved(key{from.parent.kind, a.Ino}, to.parent, newName)
	switch {
	case missing != nil || old.Ino == a.Ino:
	case in.Flags&unix.RENAME_EXCHANGE != 0:
		t.table.moved(key{to.parent.kind, old.Ino}, from.parent, oldName)
	default:
		t.lost(to.parent.kind, old)
	}
	return fuse.OK
}
