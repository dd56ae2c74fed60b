package fs

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/nodes"
)

// nameMax is the longest name of an object (NAME_MAX); FUSE itself lets longer ones through.
const nameMax = 255

// Lookup answers for a name in a directory. Nothing it says may be cached: objects come, go and change behind
// our back.
func (t *Tree) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	parent, ok := t.table.get(h.NodeId)
	switch {
	case !ok:
		return fuse.Status(syscall.ESTALE)
	case len(name) > nameMax:
		return fuse.Status(syscall.ENAMETOOLONG)
	case parent.Kind == dirKind:
		return t.lookupKind(h.Uid, parent, name, out)
	}
	object, err := t.object(parent)
	if err != nil {
		return t.fail(err)
	}
	dir, ok := object.(nodes.Directory)
	if !ok {
		return fuse.ENOTDIR
	}
	seen, err := dir.Find(name)
	if err != nil {
		return t.failAt(h.Uid, "look up", parent, name, err)
	}
	t.entry(parent, name, seen, h, out)
	if t.sufficient(out.NodeId, seen) {
		out.SetAttrTimeout(lookupAttrTimeout)
	}
	return fuse.OK
}

// lookupAttrTimeout is for the rest of the system call that looked the name up: the kernel makes one or two
// ticks of it, 1 to 20 ms (fuse_time_to_jiffies, fs/fuse/dir.c).
const lookupAttrTimeout = time.Nanosecond

// sufficient reports whether the attributes that a LOOKUP tells may serve the system call that looked the
// name up: it then makes no GETATTR of its own, and stat(2) is one request. They must not serve another one,
// which may ask about a change that was made meanwhile. Whoever comes by a name looks it up, and so is told
// anew; what is open, and fstat(2) can ask about, has none that last, and OPEN ends those of the LOOKUP
// before it. So there are none of directories, which may be somebody's working directory, and none of message
// faces, whose turn the GETATTR ends (mount). Of what is open by O_PATH, or is a FIFO, nobody tells the tree:
// only there are attributes up to two ticks old (TestLookupTells).
func (t *Tree) sufficient(id uint64, s nodes.Seen) bool {
	switch s.Was.Type() {
	case syscall.S_IFREG, syscall.S_IFIFO, syscall.S_IFSOCK:
		return !s.Message && t.table.atRest(id)
	}
	return false
}

// lookupKind is Lookup in the root, or in a directory between it and the kinds.
func (t *Tree) lookupKind(by uint32, parent Node, name string, out *fuse.EntryOut) fuse.Status {
	above, _ := t.table.path(parent.ID)
	path := join(above, name)
	n := Node{Parent: parent.ID, Name: name, Kind: dirKind, Top: true}
	var a nodes.Attr
	if kind := t.kindAt(path); kind >= 0 {
		n.Kind = kind
		var err error
		if a, err = t.kinds[kind].Class.At(nodes.Seen{}).Stat(false); err != nil {
			return t.failAt(by, "look up", parent, name, err)
		}
	} else if number := slices.Index(t.dirs, path); number >= 0 {
		a = nodes.Root(number, t.started)
	} else {
		return fuse.ENOENT
	}
	n.Object, n.Mode, n.Uid, n.Gid = a.ID, a.Mode, a.Uid, a.Gid
	out.NodeId, out.Generation = t.table.known(n), 1
	t.fillAttr(&out.Attr, n, a)
	out.SetEntryTimeout(classEntryTimeout)
	out.SetAttrTimeout(classAttrTimeout)
	return fuse.OK
}

// The directories of the classes are not objects: they are always there, and always 0777. With these times
// the kernel does not ask for each of them on each walk through the tree, which would double the requests of
// an `echo > queue`.
const (
	classEntryTimeout = time.Hour
	classAttrTimeout  = time.Second
)

func (t *Tree) kindAt(path string) int32 {
	return int32(slices.IndexFunc(t.kinds, func(k nodes.Kind) bool { return k.Name == path }))
}

// object is the object of a node: ESTALE if it has no place that is known.
func (t *Tree) object(n Node) (nodes.Object, error) {
	path, ok := t.table.path(n.ID)
	if !ok {
		return nil, syscall.ESTALE
	}
	return t.objectAt(n, path), nil
}

// objectAt is the object of a node, at a path inside its class.
func (t *Tree) objectAt(n Node, path string) nodes.Object {
	was := nodes.Attr{ID: n.Object, Mode: n.Mode, Uid: n.Uid, Gid: n.Gid}
	seen := nodes.Seen{Ref: nodes.Ref{Path: path, Was: was}, Part: n.Part, Message: n.Message, Link: n.Link}
	if n.Top {
		seen = nodes.Seen{}
	}
	return t.kinds[n.Kind].Class.At(seen)
}

// entry gives an object that was seen in a directory its node, and the kernel the answer.
func (t *Tree) entry(parent Node, name string, s nodes.Seen, h *fuse.InHeader, out *fuse.EntryOut) {
	n := Node{
		Parent: parent.ID, Name: path.Base(s.Path), Kind: parent.Kind, Object: s.Was.ID, Part: s.Part,
		Message: s.Message, Link: s.Link,
		Mode: s.Was.Mode, Uid: s.Was.Uid, Gid: s.Was.Gid, By: h.Uid,
	}
	if old, ok := t.table.tooMany(h.Uid); ok {
		t.forgetful(old)
	}
	t.fillAttr(&out.Attr, n, s.Was)
	if n.Message {
		out.Attr.Size = messageSize
		out.NodeId = t.table.fresh(n, h.Pid)
	} else {
		out.NodeId = t.table.known(n)
	}
	out.Generation = 1
}

// messageSize is how long the kernel is made to think a message face is. It takes an inode's lock for itself
// alone to write beyond the end of a file (fuse_dio_wr_exclusive_lock), and a write that waits for room would
// lock out all others who share its open file, as a shell's children do. stat(2) still asks, and is told the
// truth (see KeepsLength). For the same reason O_TRUNC is left to come as a SETATTR of its own: the kernel
// would else set the length to 0 by itself.
const messageSize = 1 << 40

// Message reports whether the kernel has the node id for a message face.
func (t *Tree) Message(id uint64) bool {
	n, _ := t.table.get(id)
	return n.Message
}

// Face is the name by which the kernel was told of a message face; false if the node is something else.
func (t *Tree) Face(id uint64) (string, bool) {
	n, _ := t.table.get(id)
	return n.Name, n.Message
}

// KeepsLength reports whether the kernel should use a, the answer to a GETATTR, for stat(2) alone, and go on
// as LOOKUP has told it: else it believes the length, and a read by sendfile(2) of an object with nothing in
// it were at the end. It asks on its own, too, before it opens a file. It must believe what it does not know
// yet of mode and owner, and the length of a file that can seek when it seeks to its end, if nobody can wait
// to write by the same node (TestKeepLength).
func (t *Tree) KeepsLength(id uint64, a *fuse.Attr, seeks bool) bool {
	n, _ := t.table.get(id)
	if !n.Message {
		return false
	}
	news := t.table.told(id, nodes.Attr{Mode: a.Mode, Uid: a.Uid, Gid: a.Gid})
	l := t.table.open(id)
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for h := l.face; h != nil; h = h.earlier {
		if !h.open.(*nodes.File).Seekable() {
			return !news
		}
	}
	return !news && !(seeks && l.face != nil)
}

// fillAttr writes a for the kernel. Inode numbers of the classes come from different file systems and must
// not meet; those of control files only have to be the same each time and not easily another's.
func (t *Tree) fillAttr(out *fuse.Attr, n Node, a nodes.Attr) {
	ino := a.Ino
	switch {
	case n.Part != (nodes.Part{}):
		ino = t.madeUp(n, "")
	case ino == 0: // the address of a host
		ino = t.madeUp(n, fmt.Sprint(n.Parent, "/", n.Name))
	}
	*out = fuse.Attr{
		Ino: ino<<kindBits ^ ino>>(64-kindBits) ^ uint64(n.Kind+2), Mode: a.Mode, Nlink: a.Nlink,
		Owner: fuse.Owner{Uid: a.Uid, Gid: a.Gid},
		Size:  uint64(a.Size), Blocks: uint64(a.Blocks), Blksize: 4096,
	}
	for _, t := range []struct {
		at   time.Time
		sec  *uint64
		nsec *uint32
	}{
		{a.Atime, &out.Atime, &out.Atimensec}, {a.Mtime, &out.Mtime, &out.Mtimensec},
		{a.Ctime, &out.Ctime, &out.Ctimensec},
	} {
		if !t.at.IsZero() {
			*t.sec, *t.nsec = uint64(t.at.Unix()), uint32(t.at.Nanosecond())
		}
	}
}

// kindBits are the bits of an inode number that tell the kind.
const kindBits = 8

// Forget is told what the kernel no longer remembers.
func (t *Tree) Forget(id, count uint64) { t.table.forget(id, count) }

// GetAttr is stat(2) and fstat(2). An open object answers for itself, whether or not it still has its name.
func (t *Tree) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, ok := t.table.get(in.NodeId)
	if !ok {
		return fuse.Status(syscall.ESTALE)
	}
	a, err := t.stat(n)
	if err != nil {
		return t.fail(err)
	}
	t.fillAttr(&out.Attr, n, a)
	if !n.Message {
		t.table.told(n.ID, a) // else KeepsLength does, which looks what is news
	}
	if n.Top {
		out.SetTimeout(classAttrTimeout)
	}
	return fuse.OK
}

// stat tells of a node. One whose name is gone, or leads to another object by now, is told of as it was last,
// without links: the kernel gives up an inode for good whose type changes (fuse_make_bad, fs/fuse).
func (t *Tree) stat(n Node) (nodes.Attr, error) {
	if n.Kind == dirKind {
		path, _ := t.table.path(n.ID)
		return nodes.Root(slices.Index(t.dirs, path), t.started), nil
	}
	l := t.table.open(n.ID)
	if l == nil {
		return nodes.Attr{}, syscall.ESTALE
	}
	l.mu.Lock()
	if l.memory != nil {
		defer l.mu.Unlock()
		return l.memory.Stat()
	}
	f := l.hold()
	l.mu.Unlock() // what is asked next may be kept elsewhere
	if f != nil {
		defer t.letGo(f)
	}
	a, err := t.statByName(n, f == nil)
	gone := err == syscall.ENOENT || err == syscall.ESTALE || err == syscall.ENOTDIR
	if err != nil && !gone {
		return a, err
	}
	if gone {
		a = nodes.Attr{ID: n.Object, Mode: n.Mode, Uid: n.Uid, Gid: n.Gid}
	}
	if f == nil {
		return a, nil
	}
	now, err := f.open.Stat()
	now.Mode, now.Uid, now.Gid, now.ID = a.Mode, a.Uid, a.Gid, a.ID // a control file of an object is not the object
	return t.dated(now), err
}

func (t *Tree) statByName(n Node, sized bool) (nodes.Attr, error) {
	object, err := t.object(n)
	if err != nil {
		return nodes.Attr{}, err
	}
	a, err := object.Stat(sized)
	if err == nil && a.Mode&syscall.S_IFMT != n.Mode&syscall.S_IFMT {
		err = syscall.ESTALE
	}
	return a, err
}

// SetAttr is chmod, chown, truncate and utimensat.
func (t *Tree) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, ok := t.table.get(in.NodeId)
	if !ok {
		return fuse.Status(syscall.ESTALE)
	}
	c := changeOf(in)
	if n.Message && c.Size != nil {
		c.Atime, c.Mtime = nil, nil // the times of a message object are those of its messages
	}
	if byOpen := n.Message && c.Size != nil && *c.Size == 0 && in.Valid&fuse.FATTR_FH == 0; byOpen {
		if l := t.table.open(n.ID); l != nil && l.truncated() {
			c.Size = nil
		}
		if c == (nodes.Change{}) {
			return t.changed(n, nodes.Attr{ID: n.Object, Mode: n.Mode, Nlink: 1, Uid: n.Uid, Gid: n.Gid}, out)
		}
	}
	if err := t.change(n, c); err != nil {
		return t.failAt(in.Uid, "change", n, "", err)
	}
	a, err := t.stat(n)
	if err != nil {
		return t.fail(err)
	}
	return t.changed(n, a, out)
}

// changed answers a SETATTR.
func (t *Tree) changed(n Node, a nodes.Attr, out *fuse.AttrOut) fuse.Status {
	t.table.told(n.ID, a)
	t.fillAttr(&out.Attr, n, a)
	if n.Message {
		out.Attr.Size = messageSize
	}
	return fuse.OK
}

// change sets attributes.
func (t *Tree) change(n Node, c nodes.Change) error {
	l := t.table.open(n.ID)
	switch {
	case c == (nodes.Change{}):
		return nil
	case n.Kind == dirKind:
		return syscall.EPERM // the directories of the tree itself stay as they are
	case l == nil:
		return syscall.ESTALE
	}
	if done, err := l.change(n, c); done || err != nil {
		return err
	}
	object, err := t.object(n)
	if err != nil {
		return err
	}
	return object.Change(c)
}

// change sets attributes of the memory that is open of a node, if there is one: done.
func (l *live) change(n Node, c nodes.Change) (done bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.memory == nil {
		return false, nil
	}
	if a, err := l.memory.Stat(); err != nil || a.Uid != n.Uid {
		return true, cmp.Or(err, error(syscall.ESTALE)) // it changed hands just now
	}
	return true, l.memory.Change(c)
}

// truncated tells the message face that was opened last of an open with O_TRUNC. The kernel truncates when
// the file is open, and names no open file (fuse_do_setattr). All that it means for a message face is what
// the face makes of it, so the object need not be asked: `>` of a shell costs no more than `>>`. false:
// nobody has one open.
func (l *live) truncated() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.face == nil {
		return false
	}
	l.face.open.(*nodes.File).Truncated()
	return true
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
