package fs

import (
	"cmp"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// OpenDir is opendir(3).
func (t *Tree) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n := t.table.get(in.NodeId)
	if n == nil {
		return fuse.Status(syscall.ESTALE)
	}
	h := &Handle{node: n, flags: in.Flags, uid: in.Uid}
	if !t.handles.add(h) {
		return t.tooMany(h)
	}
	out.Fh = h.num
	return fuse.OK
}

// ReadDir is readdir(3): sorted, and as of the moment it began or was rewound.
func (t *Tree) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	h := t.handles.get(in.Fh)
	if h == nil {
		return fuse.EBADF
	}
	h.node.mu.Lock()
	defer h.node.mu.Unlock()
	if in.Offset == 0 || h.list == nil {
		list, err := t.list(h.node)
		if err != nil {
			return t.failAt("list", h.node.kind, t.table.path(h.node, ""), err)
		}
		h.list = list
	}
	for i := int(in.Offset); i < len(h.list); i++ {
		e := h.list[i]
		if !out.AddDirEntry(fuse.DirEntry{Name: e.Name, Mode: e.Type, Ino: fuse.FUSE_UNKNOWN_INO, Off: uint64(i + 1)}) {
			break
		}
	}
	return fuse.OK
}

// ReadDirPlus is not negotiated: it would tell the kernel of nodes for each name listed.
func (t *Tree) ReadDirPlus(<-chan struct{}, *fuse.ReadIn, *fuse.DirEntryList) fuse.Status {
	return fuse.ENOTSUP
}

func (t *Tree) list(n *node) ([]nodes.Entry, error) {
	list := []nodes.Entry{{Name: ".", Type: syscall.S_IFDIR}, {Name: "..", Type: syscall.S_IFDIR}}
	if n.kind == rootKind {
		for _, k := range t.kinds {
			list = append(list, nodes.Entry{Name: k.Name, Type: syscall.S_IFDIR})
		}
	} else {
		found, err := t.class(n).List(t.table.path(n, ""))
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	slices.SortFunc(list[2:], func(a, b nodes.Entry) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// ReleaseDir is closedir(3).
func (t *Tree) ReleaseDir(in *fuse.ReleaseIn) { t.handles.remove(in.Fh) }

// FsyncDir has nothing to write back.
func (t *Tree) FsyncDir(<-chan struct{}, *fuse.FsyncIn) fuse.Status { return fuse.OK }

// Readlink is readlink(2).
func (t *Tree) Readlink(_ <-chan struct{}, h *fuse.InHeader) ([]byte, fuse.Status) {
	n := t.table.get(h.NodeId)
	if n == nil {
		return nil, fuse.Status(syscall.ESTALE)
	}
	class, ok := t.class(n).(nodes.Pointer)
	if !ok {
		return nil, fuse.EINVAL
	}
	to, err := class.Readlink(t.table.path(n, ""))
	if err != nil {
		return nil, t.fail(err)
	}
	return []byte(to), fuse.OK
}

// Access is not asked with default_permissions: the kernel judges by mode and owner.
func (t *Tree) Access(<-chan struct{}, *fuse.AccessIn) fuse.Status { return fuse.OK }

// StatFs is statfs(2): of shared memory what room there is for it, elsewhere only the length of names.
func (t *Tree) StatFs(_ <-chan struct{}, in *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	*out = fuse.StatfsOut{Bsize: 4096, Frsize: 4096, NameLen: nameMax}
	n := t.table.get(in.NodeId)
	if n == nil || n.kind == rootKind {
		return fuse.OK
	}
	class, ok := t.class(n).(nodes.Spacer)
	if !ok {
		return fuse.OK
	}
	s, err := class.Space()
	if err != nil {
		return t.fail(err)
	}
	out.Bsize, out.Frsize = s.Bsize, s.Bsize
	out.Blocks, out.Bfree, out.Bavail, out.Files, out.Ffree = s.Blocks, s.Bfree, s.Bavail, s.Files, s.Ffree
	return fuse.OK
}

// Statx has nothing to add to stat(2): birth times are not kept. It answers with what GetAttr says.
func (t *Tree) Statx(c <-chan struct{}, in *fuse.StatxIn, out *fuse.StatxOut) fuse.Status {
	n := t.table.get(in.NodeId)
	if n == nil {
		return fuse.Status(syscall.ESTALE)
	}
	a, err := t.stat(n)
	if err != nil {
		return t.fail(err)
	}
	fillStatx(out, n.kind, a)
	return fuse.OK
}

func fillStatx(out *fuse.StatxOut, kind int, a nodes.Attr) {
	var attr fuse.Attr
	fillAttr(&attr, kind, a)
	out.Statx = fuse.Statx{
		Mask: unix.STATX_BASIC_STATS, Blksize: attr.Blksize, Nlink: attr.Nlink, Uid: attr.Uid, Gid: attr.Gid, Mode: uint16(attr.Mode),
		Ino: attr.Ino, Size: attr.Size, Blocks: attr.Blocks,
		Atime: fuse.SxTime{Sec: attr.Atime, Nsec: attr.Atimensec},
		Mtime: fuse.SxTime{Sec: attr.Mtime, Nsec: attr.Mtimensec},
		Ctime: fuse.SxTime{Sec: attr.Ctime, Nsec: attr.Ctimensec},
	}
}
