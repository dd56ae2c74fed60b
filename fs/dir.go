package fs

import (
	"cmp"
	"slices"
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// OpenDir is opendir(3).
func (t *Tree) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if _, ok := t.table.get(in.NodeId); !ok {
		return fuse.Status(syscall.ESTALE)
	}
	h := &opened{Handle: Handle{Node: in.NodeId, Flags: in.Flags, Uid: in.Uid, Gid: in.Gid, Pid: in.Pid}}
	if err := t.handles.add(h); err != nil {
		return t.tooMany(h, err)
	}
	out.Fh = h.Num
	return fuse.OK
}

// ReadDir is readdir(3): sorted, and as of the moment it began or was rewound.
func (t *Tree) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	h := t.handles.get(in.Fh)
	if h == nil {
		return fuse.EBADF
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.seldom()
	if in.Offset > 0 && in.Offset == l.ended {
		return fuse.OK // it was read to its end
	}
	if in.Offset == 0 || l.names == nil {
		n, ok := t.table.get(h.Node)
		if !ok {
			return fuse.Status(syscall.ESTALE)
		}
		names, err := t.list(n)
		if err == nil {
			err = l.begin(names, t.env.Heap, h.Uid)
		}
		if err != nil {
			return t.failAt(h.Uid, "list", n, "", err)
		}
	}
	t.handles.touch(h.Num)
	i := int(in.Offset)
	for ; i < len(l.names); i++ {
		e := l.names[i]
		if !out.AddDirEntry(fuse.DirEntry{
			Name: e.Name, Mode: e.Type, Ino: fuse.FUSE_UNKNOWN_INO, Off: uint64(i + 1),
		}) {
			return fuse.OK
		}
	}
	l.end(t.env.Heap, h.Uid)
	return fuse.OK
}

// ReadDirPlus is not negotiated: it would tell the kernel of nodes for each name listed.
func (t *Tree) ReadDirPlus(<-chan struct{}, *fuse.ReadIn, *fuse.DirEntryList) fuse.Status {
	return fuse.ENOTSUP
}

func (t *Tree) list(n Node) ([]nodes.Entry, error) {
	list := []nodes.Entry{{Name: ".", Type: syscall.S_IFDIR}, {Name: "..", Type: syscall.S_IFDIR}}
	found, err := t.names(n)
	if err != nil {
		return nil, err
	}
	list = append(list, found...)
	slices.SortFunc(list[2:], func(a, b nodes.Entry) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// names are those in a directory.
func (t *Tree) names(n Node) (list []nodes.Entry, err error) {
	if n.Kind != dirKind {
		object, err := t.object(n)
		if err != nil {
			return nil, err
		}
		dir, ok := object.(nodes.Directory)
		if !ok {
			return nil, syscall.ENOTDIR
		}
		return dir.List()
	}
	above, _ := t.table.path(n.ID)
	for _, k := range t.kinds {
		below, ok := k.Name, above == ""
		if !ok {
			below, ok = strings.CutPrefix(k.Name, above+"/")
		}
		first, _, _ := strings.Cut(below, "/")
		if e := (nodes.Entry{Name: first, Type: syscall.S_IFDIR}); ok && !slices.Contains(list, e) {
			list = append(list, e)
		}
	}
	return list, nil
}

// ReleaseDir is closedir(3).
func (t *Tree) ReleaseDir(in *fuse.ReleaseIn) {
	if h := t.handles.remove(in.Fh); h != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.seldom().end(t.env.Heap, h.Uid)
	}
}

// FsyncDir has nothing to write back.
func (t *Tree) FsyncDir(<-chan struct{}, *fuse.FsyncIn) fuse.Status { return fuse.OK }

// Readlink is readlink(2).
func (t *Tree) Readlink(_ <-chan struct{}, h *fuse.InHeader) ([]byte, fuse.Status) {
	n, ok := t.table.get(h.NodeId)
	switch {
	case !ok:
		return nil, fuse.Status(syscall.ESTALE)
	case n.Link == "":
		return nil, fuse.EINVAL
	}
	return []byte(n.Link), fuse.OK
}

// Access is not asked with default_permissions: the kernel judges by mode and owner.
func (t *Tree) Access(<-chan struct{}, *fuse.AccessIn) fuse.Status { return fuse.OK }

// StatFs is statfs(2): of shared memory what room there is for it, elsewhere only the length of names.
func (t *Tree) StatFs(_ <-chan struct{}, in *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	*out = fuse.StatfsOut{Bsize: 4096, Frsize: 4096, NameLen: nameMax}
	n, ok := t.table.get(in.NodeId)
	if !ok || n.Kind == dirKind || t.kinds[n.Kind].Space == nil {
		return fuse.OK
	}
	s, err := t.kinds[n.Kind].Space()
	if err != nil {
		return t.fail(err)
	}
	out.Bsize, out.Frsize = s.Bsize, s.Bsize
	out.Blocks, out.Bfree, out.Bavail, out.Files, out.Ffree = s.Blocks, s.Bfree, s.Bavail, s.Files, s.Ffree
	return fuse.OK
}

// Statx answers with what GetAttr says. A time of birth is not among it: status tells that.
func (t *Tree) Statx(c <-chan struct{}, in *fuse.StatxIn, out *fuse.StatxOut) fuse.Status {
	n, ok := t.table.get(in.NodeId)
	if !ok {
		return fuse.Status(syscall.ESTALE)
	}
	a, err := t.stat(n)
	if err != nil {
		return t.fail(err)
	}
	t.fillStatx(out, n, a)
	return fuse.OK
}

func (t *Tree) fillStatx(out *fuse.StatxOut, n Node, a nodes.Attr) {
	var attr fuse.Attr
	t.fillAttr(&attr, n, a)
	out.Statx = fuse.Statx{
		Mask: unix.STATX_BASIC_STATS, Blksize: attr.Blksize, Nlink: attr.Nlink, Uid: attr.Uid,
		Gid: attr.Gid, Mode: uint16(attr.Mode),
		Ino: attr.Ino, Size: attr.Size, Blocks: attr.Blocks,
		Atime: fuse.SxTime{Sec: attr.Atime, Nsec: attr.Atimensec},
		Mtime: fuse.SxTime{Sec: attr.Mtime, Nsec: attr.Mtimensec},
		Ctime: fuse.SxTime{Sec: attr.Ctime, Nsec: attr.Ctimensec},
	}
}
