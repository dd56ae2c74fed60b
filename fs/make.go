package fs

import (
	"errors"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/nodes"
)

// directory is a directory of a class, where a name is to be made or removed by a request.
func (t *Tree) directory(h *fuse.InHeader, op string, id uint64, name string) (Node, nodes.Object, fuse.Status) {
	n, ok := t.table.get(id)
	switch {
	case !ok:
		return n, nil, fuse.Status(syscall.ESTALE)
	case len(name) > nameMax:
		return n, nil, fuse.Status(syscall.ENAMETOOLONG)
	case n.Kind == dirKind:
		return n, nil, t.failAt(h.Uid, op, n, name, nodes.ErrTree) // which classes there are users do not say
	}
	object, err := t.object(n)
	return n, object, fuse.Status(nodes.Errno(err))
}

// fixed is the answer to a request that its directory's kind cannot do, of which err is why.
func (t *Tree) fixed(h *fuse.InHeader, op string, parent Node, name string, err error) fuse.Status {
	if t.kinds[parent.Kind].Name == NoClass {
		err = nodes.ErrControl
	}
	return t.failAt(h.Uid, op, parent, name, err)
}

// flat is fixed for what takes directories, or other names.
func (t *Tree) flat(h *fuse.InHeader, op string, parent Node, name string) fuse.Status {
	return t.fixed(h, op, parent, name, nodes.Flat(syscall.EPERM, t.kinds[parent.Kind].Name))
}

// make has a request make an object once, and answers it. It gives what was made.
func (t *Tree) make(h *fuse.InHeader, parent Node, object nodes.Object, name string, o nodes.Owner,
	do func(nodes.Owner) (nodes.Seen, error)) (nodes.Seen, error) {
	_, _, seen, err := t.env.Acts.Once(RequestOf(h.Unique), nodes.Act{
		Dir: object.(nodes.Directory), Name: name, Class: t.kinds[parent.Kind].Class, For: o,
		Do: do,
	})
	return seen, err
}

// made is the answer to a request that made an object, or failed to.
func (t *Tree) made(parent Node, name string, s nodes.Seen, err error, h *fuse.InHeader,
	out *fuse.EntryOut) fuse.Status {
	if err != nil {
		return t.failAt(h.Uid, "create", parent, name, err)
	}
	t.entry(parent, name, s, h, out)
	return fuse.OK
}

// owner is the owner of what a request makes: its caller, with the mode that it asks for.
func owner(h *fuse.InHeader, mode, umask uint32) nodes.Owner {
	mode &= 07777
	return nodes.Owner{Uid: h.Uid, Gid: h.Gid, Mode: mode &^ umask, Umask: mode & umask, Pid: int(h.Pid)}
}

// Create is open(2) with O_CREAT of a name that did not exist when the kernel looked.
func (t *Tree) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	parent, object, status := t.directory(&in.InHeader, "create", in.NodeId, name)
	if !status.Ok() {
		return status
	}
	maker, ok := object.(nodes.Maker)
	if !ok {
		return fuse.EPERM
	}
	if h := t.handles.by(RequestOf(in.Unique)); h != nil { // which nobody was told of
		t.Release(nil, &fuse.ReleaseIn{Fh: h.Num})
	}
	var open nodes.Open
	seen, err := t.make(&in.InHeader, parent, object, name, owner(&in.InHeader, in.Mode, in.Umask),
		func(o nodes.Owner) (seen nodes.Seen, err error) {
			seen, open, err = maker.Create(name, o, int(in.Flags), caller(&in.InHeader))
			return seen, err
		})
	if err == nil && open == nil && seen.Was.Type() != syscall.S_IFIFO { // an earlier process has made it
		// O_CREAT stays: it tells a socket that this open does not call it yet.
		flags := int(in.Flags) &^ (syscall.O_EXCL | syscall.O_TRUNC)
		open, err = t.kinds[parent.Kind].Class.At(seen).Open(flags, caller(&in.InHeader))
	}
	if errors.Is(err, syscall.EEXIST) && in.Flags&syscall.O_EXCL == 0 {
		// Somebody else made it meanwhile. The kernel walks the path once more, finds it, and judges who may
		// open it.
		return fuse.Status(syscall.ESTALE)
	}
	if err == nil && open == nil {
		// A FIFO: CREATE can only answer with a regular file, so the kernel is to find and open it (open(2),
		// Linux 3.8).
		return fuse.Status(syscall.ESTALE)
	}
	if status := t.made(parent, name, seen, err, &in.InHeader, &out.EntryOut); !status.Ok() {
		return status
	}
	n, _ := t.table.get(out.NodeId)
	l := t.table.open(n.ID)
	l.mu.Lock()
	defer l.mu.Unlock()
	by := caller(&in.InHeader).Asks(RequestOf(in.Unique))
	if status := t.opened(n, l, open, in.Flags, by, &out.OpenOut); !status.Ok() {
		nodes.Unmake(object, seen, caller(&in.InHeader))
		t.table.forget(n.ID, 1)
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
	parent, object, status := t.directory(&in.InHeader, "create", in.NodeId, name)
	if !status.Ok() {
		return status
	}
	typ := in.Mode & syscall.S_IFMT
	if typ == 0 {
		typ = syscall.S_IFREG
	}
	maker, ok := object.(nodes.Maker)
	if !ok {
		return fuse.EPERM
	}
	seen, err := t.make(&in.InHeader, parent, object, name, owner(&in.InHeader, in.Mode, in.Umask),
		func(o nodes.Owner) (nodes.Seen, error) { return maker.Mknod(name, typ, o) })
	return t.made(parent, name, seen, err, &in.InHeader, out)
}

// Mkdir is mkdir(2).
func (t *Tree) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	parent, object, status := t.directory(&in.InHeader, "mkdir", in.NodeId, name)
	if !status.Ok() {
		return status
	}
	dir, ok := object.(nodes.Folders)
	if !ok {
		return t.flat(&in.InHeader, "mkdir", parent, name)
	}
	seen, err := t.make(&in.InHeader, parent, object, name, owner(&in.InHeader, in.Mode, in.Umask),
		func(o nodes.Owner) (nodes.Seen, error) { return dir.Mkdir(name, o) })
	return t.made(parent, name, seen, err, &in.InHeader, out)
}

// Symlink is refused: an object is reached by its own name.
func (t *Tree) Symlink(_ <-chan struct{}, h *fuse.InHeader, _, name string, _ *fuse.EntryOut) fuse.Status {
	parent, _, status := t.directory(h, "symlink", h.NodeId, name)
	if !status.Ok() {
		return status
	}
	return t.fixed(h, "symlink", parent, name, nodes.ErrSymlink)
}

// Link is link(2).
func (t *Tree) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	parent, object, status := t.directory(&in.InHeader, "link", in.NodeId, name)
	if !status.Ok() {
		return status
	}
	old, ok := t.table.get(in.Oldnodeid)
	if !ok {
		return fuse.Status(syscall.ESTALE)
	}
	if old.Kind != parent.Kind {
		return fuse.EXDEV
	}
	dir, ok := object.(nodes.Linker)
	if !ok {
		return t.fixed(&in.InHeader, "link", parent, name, nodes.OneName(t.kinds[parent.Kind].Name))
	}
	from, err := t.object(old)
	if err != nil {
		return t.fail(err)
	}
	seen, err := t.make(&in.InHeader, parent, object, name, nodes.Owner{Uid: old.Uid, Gid: old.Gid},
		func(nodes.Owner) (nodes.Seen, error) { return dir.Link(from, name) })
	return t.made(parent, name, seen, err, &in.InHeader, out)
}
