package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// Elsewhere are the workers that answer a request about a node, or about a name in it, if that is about
// objects that are kept elsewhere (nodes.Kind): it may take long. nil: it is not.
func (t *Tree) Elsewhere(h *fuse.InHeader, name string) *backends.Workers {
	if !t.elsewhere {
		return nil
	}
	if there := t.kindOf(h.NodeId, name).Elsewhere; there != nil {
		return there.Work
	}
	return nil
}

// OpensLong reports whether opening a node may take long (nodes.Kind).
func (t *Tree) OpensLong(id uint64) bool { return t.kindOf(id, "").OpensLong }

// Lockable reports whether a request about a node, or about a name in it, may have to wait for a lock in the
// kernel that other programs hold as long as they like (nodes.Kind), or for a goroutine that waits for such a
// lock: the one that tells events looks at all directories.
func (t *Tree) Lockable(id uint64) bool {
	n, _ := t.table.get(id)
	return n.Part == nodes.Part{Name: "events"} || t.kindOf(id, "").Shared
}

// kindOf is the kind of object that a node, or a name in it, belongs to; no kind if it belongs to none.
func (t *Tree) kindOf(id uint64, name string) nodes.Kind {
	n, ok := t.table.get(id)
	kind := n.Kind
	switch {
	case !ok:
		return nodes.Kind{}
	case kind == dirKind:
		above, _ := t.table.path(id)
		kind = t.kindAt(join(above, name))
	case int(kind) == len(t.kinds)-1: // /ctl
		kind = t.kindAt(n.Part.Kind)
	}
	if kind < 0 {
		return nodes.Kind{}
	}
	return t.kinds[kind]
}
