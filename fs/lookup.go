package fs

import (
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/nodes"
)

// nameMax is the longest name of an object (NAME_MAX); FUSE itself lets longer ones through.
const nameMax = 255

// Lookup answers for a name in a directory. Nothing it says may be cached: objects come, go and change behind our back.
func (t *Tree) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	parent := t.table.get(h.NodeId)
	if parent == nil {
		return fuse.Status(syscall.ESTALE)
	}
	return t.lookup(parent, name, out)
}

func (t *Tree) lookup(parent *node, name string, out *fuse.EntryOut) fuse.Status {
	if len(name) > nameMax {
		return fuse.Status(syscall.ENAMETOOLONG)
	}
	kind, path := parent.kind, ""
	if kind == rootKind {
		if kind = t.kindNamed(name); kind < 0 {
			return fuse.ENOENT
		}
	} else {
		path = t.table.path(parent, name)
	}
	a, err := t.kinds[kind].Class.Stat(path)
	if err != nil {
		return t.failAt("look up", kind, path, err)
	}
	t.entry(parent, name, kind, a, out)
	if parent.kind == rootKind {
		out.SetEntryTimeout(classEntryTimeout)
		out.SetAttrTimeout(classAttrTimeout)
	}
	return fuse.OK
}

// The directories of the classes are not objects: they are always there, and always 0777. With these times the kernel does not ask for
// each of them on each walk through the tree, which would double the requests of an `echo > queue`.
const (
	classEntryTimeout = time.Hour
	classAttrTimeout  = time.Second
)

func (t *Tree) kindNamed(name string) int {
	for i, k := range t.kinds {
		if k.Name == name {
			return i
		}
	}
	return -1
}

// entry gives an object that exists its node, and the kernel the answer.
func (t *Tree) entry(parent *node, name string, kind int, a nodes.Attr, out *fuse.EntryOut) *node {
	var n *node
	fillAttr(&out.Attr, kind, a)
	if t.kinds[kind].Class.Message(a) {
		n = t.table.fresh(parent, name, key{kind, a.Ino})
		out.Attr.Size = messageSize
		n.told(&out.Attr)
	} else {
		n = t.table.known(parent, name, key{kind, a.Ino})
	}
	n.owned.Store(a.Uid)
	out.NodeId, out.Generation = n.id, 1
	return n
}

// messageSize is how long the kernel is made to think a message face is. It takes an inode's lock for itself alone to write beyond the
// end of a file (fuse_dio_wr_exclusive_lock), and a write that waits for room would lock out all others who share its open file, as a
// shell's children do. stat(2) still asks, and is told the truth (see KeepsLength). For the same reason O_TRUNC is left to come as a
// SETATTR of its own: the kernel would else set the length to 0 by itself.
const messageSize = 1 << 40

// Message reports whether the kernel has the node id for a message face.
func (t *Tree) Message(id uint64) bool {
	n := t.table.get(id)
	return n != nil && n.message()
}

// KeepsLength reports whether the kernel should use a, the answer to a GETATTR, for stat(2) alone, and go on as LOOKUP has told it: else
// it believes the length, and a read by sendfile(2) of an object with nothing in it were at the end. It asks on its own, too, before it
// opens a file. It must believe what it does not know yet of mode and owner, and the length of a file that can seek when it seeks to its
// end, if nobody can wait to write by the same node (TestKeepLength).
func (t *Tree) KeepsLength(id uint64, a *fuse.Attr, seeks bool) bool {
	n := t.table.get(id)
	if n == nil || !n.message() {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	news := n.mode != a.Mode || n.owner != a.Owner
	n.mode, n.owner = a.Mode, a.Owner
	for _, h := range n.faces {
		if !h.open.(*nodes.File).Seekable() {
			return !news
		}
	}
	return !news && !(seeks && len(n.faces) > 0)
}

// told notes what the kernel is told of a message face.
func (n *node) told(a *fuse.Attr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mode, n.owner = a.Mode, a.Owner
}

// fillAttr writes a for the kernel. Inode numbers of the classes come from different file systems and must not meet.
func fillAttr(out *fuse.Attr, kind int, a nodes.Attr) {
	*out = fuse.Attr{
		Ino: a.Ino<<4 ^ a.Ino>>60 ^ uint64(kind+2), Mode: a.Mode, Nlink: a.Nlink, Owner: fuse.Owner{Uid: a.Uid, Gid: a.Gid},
		Size: uint64(a.Size), Blocks: uint64(a.Blocks), Blksize: 4096,
	}
	for _, t := range []struct {
		at   time.Time
		sec  *uint64
		nsec *uint32
	}{{a.Atime, &out.Atime, &out.Atimensec}, {a.Mtime, &out.Mtime, &out.Mtimensec}, {a.Ctime, &out.Ctime, &out.Ctimensec}} {
		if !t.at.IsZero() {
			*t.sec, *t.nsec = uint64(t.at.Unix()), uint32(t.at.Nanosecond())
		}
	}
}

// Forget is told what the kernel no longer remembers.
func (t *Tree) Forget(id, count uint64) { t.table.forget(id, count) }

// GetAttr is stat(2) and fstat(2). An open object answers for itself, whether or not it still has its name.
func (t *Tree) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	n := t.table.get(in.NodeId)
	if n == nil {
		return fuse.Status(syscall.ESTALE)
	}
	a, err := t.stat(n)
	if err != nil {
		return t.fail(err)
	}
	n.owned.Store(a.Uid)
	fillAttr(&out.Attr, n.kind, a)
	if t.table.top(n) {
		out.SetTimeout(classAttrTimeout)
	}
	return fuse.OK
}

func (t *Tree) stat(n *node) (nodes.Attr, error) {
	if n.kind == rootKind {
		return nodes.Root(t.started), nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.memory != nil {
		return n.memory.Stat()
	}
	class, path := t.class(n), t.table.path(n, "")
	a, err := class.Stat(path)
	if f := n.face(); f != nil {
		face, gone := a, err != nil || a.Ino != n.ino
		if a, err = f.Stat(); gone {
			a.Mode, a.Uid, a.Gid = n.mode, n.owner.Uid, n.owner.Gid
		} else {
			a.Mode, a.Uid, a.Gid = face.Mode, face.Uid, face.Gid
		}
		a.Ino = n.ino // a control file of an object is not the object: cp looks if it opened what it had seen
		return a, err
	}
	if sizer, ok := class.(nodes.Sizer); ok && err == nil && class.Message(a) {
		a.Size = sizer.Size(path)
	}
	return a, err
}

// SetAttr is chmod, chown, truncate and utimensat.
func (t *Tree) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	n := t.table.get(in.NodeId)
	if n == nil {
		return fuse.Status(syscall.ESTALE)
	}
	c := changeOf(in)
	message := t.Message(n.id)
	if message && c.Size != nil {
		c.Atime, c.Mtime = nil, nil // the times of a message object are those of its messages
	}
	// The O_TRUNC of an open comes when the file is open, and names no open file (fuse_do_setattr).
	byOpen := message && c.Size != nil && in.Valid&fuse.FATTR_FH == 0
	if err := t.change(n, c, byOpen); err != nil {
		return t.failAt("change", n.kind, t.table.path(n, ""), err)
	}
	a, err := t.stat(n)
	if err != nil {
		return t.fail(err)
	}
	n.owned.Store(a.Uid)
	fillAttr(&out.Attr, n.kind, a)
	if message {
		out.Attr.Size = messageSize
		n.told(&out.Attr)
	}
	return fuse.OK
}

// change sets attributes. byOpen says that the size is set by an open with O_TRUNC.
func (t *Tree) change(n *node, c nodes.Change, byOpen bool) error {
	if c == (nodes.Change{}) {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.memory != nil {
		return n.memory.Change(c)
	}
	if f := n.face(); byOpen && f != nil && f.Truncated() {
		c.Size = nil
	}
	if c == (nodes.Change{}) {
		return nil
	}
	path := t.table.path(n, "")
	class, ok := t.class(n).(nodes.Changer)
	if !ok || path == "" {
		return syscall.EPERM // the directories of the tree itself stay as they are
	}
	if a, err := t.still(n, path); err != nil {
		return err
	} else if a.Uid != n.owned.Load() {
		return syscall.ESTALE // its inode number serves for somebody else's object, or it changed hands just now
	}
	return class.Change(path, c)
}

// still is the object that n is, if path still leads to it: ESTALE if it leads to another one by now. The kernel goes on to use a node
// whose name is gone, by an open file and /proc/PID/fd, and judges by what it knows of the node who may do what (reused_name.txtar).
// On ESTALE it walks along the path once more, if it came by one.
func (t *Tree) still(n *node, path string) (nodes.Attr, error) {
	a, err := t.class(n).Stat(path)
	if err == nil && a.Ino != n.ino && a.Ino != n.stable.ino {
		err = syscall.ESTALE
	}
	return a, err
}

func changeOf(in *fuse.SetAttrIn) (c nodes.Change) {
	if mode, ok := in.GetMode(); ok {
		c.Mode = &mode
	}
	if uid, ok := in.GetUID(); ok {
		c.Uid = &uid
	}
	if gid, ok := in.GetGID(); ok {
		c.Gid = &gid
	}
	if size, ok := in.GetSize(); ok {
		n := int64(size)
		c.Size = &n
	}
	if at, ok := in.GetATime(); ok {
		c.Atime = &at
	}
	if at, ok := in.GetMTime(); ok {
		c.Mtime = &at
	}
	return c
}
