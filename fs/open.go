package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// An Opening is an open(2), from its request until there is an open file. Its methods never block.
type Opening struct {
	t       *Tree
	node    uint64
	flags   uint32
	by      nodes.Caller
	pending *nodes.Pending // nil: it has not begun, or has ended
	already *opened        // an earlier process has opened it; nil: none has
	moves   *moves         // of an open that an earlier process was asked for; nil: it was not
	left    bool           // one has left a connection that is for it
}

// Begin begins an open(2).
func (t *Tree) Begin(in *fuse.OpenIn) *Opening {
	request := RequestOf(in.Unique)
	o := &Opening{t: t, node: in.NodeId, flags: in.Flags, by: caller(&in.InHeader).Asks(request)}
	if in.Unique != request {
		o.moves = t.lasting.moves.Load()
	}
	if o.already = t.handles.by(request); o.already == nil {
		o.left = t.sockets.Asked(request)
	}
	return o
}

func caller(h *fuse.InHeader) nodes.Caller {
	return nodes.Caller{Uid: h.Uid, Gid: h.Gid, Pid: int(h.Pid)}
}

// Try goes on until out is the answer. ErrWouldBlock and ErrUnsettled: it has to wait. Any other error is an
// errno.
func (o *Opening) Try(out *fuse.OpenOut) error {
	err := o.try(out)
	if !nodes.Waits(err) {
		o.over()
	}
	return err
}

// over has what nobody took of what an earlier process has left end.
func (o *Opening) over() {
	if o.left {
		o.left = false
		o.t.sockets.Over(o.by.Request())
	}
}

func (o *Opening) try(out *fuse.OpenOut) error {
	n, ok := o.t.table.get(o.node)
	l := o.t.table.open(o.node)
	if !ok || l == nil || n.Kind == dirKind {
		return syscall.ESTALE
	}
	if o.already != nil {
		if f, ok := o.already.open.(*nodes.File); ok {
			faceFlags(f, out)
			out.Fh = o.already.Num
			return nil
		}
	}
	if n.Message && o.flags == 0 && l.inquired(o.by.Uid) {
		return syscall.ENOTTY
	}
	if !n.Message {
		l.mu.Lock() // all who open it share what is open
		defer l.mu.Unlock()
	}
	first := !n.Message && l.memory == nil
	open, err := o.object(n, l)
	switch {
	case nodes.Waits(err):
		return err
	case err != nil:
		return syscall.Errno(o.t.failAt(o.by.Uid, "open", n, "", err))
	}
	if n.Message {
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	if status := o.t.opened(n, l, open, o.flags, o.by, out); !status.Ok() {
		return syscall.Errno(status)
	}
	if first {
		o.t.outdate(n.ID) // see sufficient
	}
	return nil
}

// object is what is opened.
func (o *Opening) object(n Node, l *live) (open nodes.Open, err error) {
	if !n.Message && l.memory != nil {
		// The object is the one the kernel has this node for, whatever its name leads to by now.
		return l.memory, l.memory.join(o.flags)
	}
	if o.pending == nil {
		late := o.moves != nil && o.t.OpensLong(n.ID) // it may have waited
		open, err = o.t.namedObject(n, int(o.flags), o.by, o.moves, late)
		if err != nil {
			return nil, err
		}
		var ok bool
		if o.pending, ok = open.(*nodes.Pending); !ok {
			return open, nil
		}
		o.moves = nil
	}
	open, err = o.pending.Try()
	if err != nil && !nodes.Waits(err) {
		o.Stop()
	}
	if !nodes.Waits(err) {
		o.pending = nil
	}
	return open, err
}

// For tells what Try waits for.
func (o *Opening) For() (backends.Waiter, backends.Ready) { return o.pending.For, backends.In }

// Stop gives up after Try had to wait, if there was one. false: it is too late, and Try will tell.
func (o *Opening) Stop() bool {
	if o.pending != nil && o.pending.Stop != nil && !o.pending.Stop() {
		return false
	}
	o.over()
	return true
}

// opened gives what was opened of a node its handle, and the kernel the answer. The caller holds l.mu.
func (t *Tree) opened(n Node, l *live, open nodes.Open, flags uint32, by nodes.Caller,
	out *fuse.OpenOut) fuse.Status {
	h := &opened{
		Handle: Handle{Node: n.ID, Flags: flags, Uid: by.Uid, Gid: by.Gid, Pid: uint32(by.Pid),
			Request: by.Request()},
		open: open,
	}
	switch open := open.(type) {
	case *nodes.File:
		open.At(t.where(n), n.Part.Name)
		faceFlags(open, out)
		t.table.busy(n.ID)
		l.opens(h)
	case *memory:
		open.answer(out)
	case nodes.Memory:
		if err := t.env.Shares.Take(by.Uid); err != nil {
			_ = open.Close()
			return t.failAt(by.Uid, "open", n, "", err)
		}
		m := t.newMemory(open, by.Uid)
		if m.failed != nil {
			t.backingFailures.Add(1)
			t.log.Warn("no passthrough for this object", "path", t.spoken(n), "err", m.failed)
		}
		h.open = m
		m.answer(out)
		t.table.holds(n.ID, l, m)
	default:
		out.OpenFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH
	}
	if err := t.handles.add(h); err != nil {
		t.close(h, l)
		return t.tooMany(h, err)
	}
	out.Fh = h.Num
	return fuse.OK
}

// faceFlags are those of an open message face.
func faceFlags(f *nodes.File, out *fuse.OpenOut) {
	out.OpenFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH | fuse.FOPEN_PARALLEL_DIRECT_WRITES
	if !f.Seekable() {
		// Without a file position there is no lock of it that a blocked read would keep from a write.
		out.OpenFlags |= fuse.FOPEN_STREAM | fuse.FOPEN_NONSEEKABLE
	}
}

// tooMany refuses one more open file.
func (t *Tree) tooMany(h *opened, err error) fuse.Status {
	n, _ := t.table.get(h.Node)
	return t.failAt(h.Uid, "open", n, "", err)
}

// Release is told once, after the last descriptor of an open file was closed.
func (t *Tree) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	if f := t.File(in.Fh); f != nil {
		f.Ending()
	}
	if h := t.handles.remove(in.Fh); h != nil {
		backends.Point("closing")
		t.closeHandle(h)
		if h.rare != nil {
			t.table.unhold(h.rare.holds)
		}
	}
}

func (t *Tree) closeHandle(h *opened) {
	l := t.table.open(h.Node)
	if l == nil {
		l = &live{} // the kernel forgot the node before it closed the file, or the file is a directory
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t.close(h, l)
}

// close closes what h has open. The caller holds l.mu.
func (t *Tree) close(h *opened, l *live) {
	switch open := h.open.(type) {
	case nil:
		return
	case *memory:
		open.Locks().Closed(h.Num)
		if last, err := open.leave(); last {
			t.table.holds(h.Node, l, nil)
			t.env.Shares.Give(open.uid)
			if err != nil {
				t.log.Warn("closing shared memory", "err", err)
			}
		}
		return
	case *nodes.File:
		if l.closes(h); l.face == nil {
			t.table.idle(h.Node)
		}
	}
	t.letGo(h)
}

// opens notes that a message face of the node is open. The caller holds l.mu.
func (l *live) opens(h *opened) { h.earlier, l.face = l.face, h }

// closes notes that it is not any more, if it was.
func (l *live) closes(h *opened) {
	for at := &l.face; *at != nil; at = &(*at).earlier {
		if *at == h {
			*at, h.earlier = h.earlier, nil
			return
		}
	}
}

// hold is the message face of a node that was opened last, which stays open until letGo; nil if nobody has
// one open. So it can be asked without the node's lock, for which a close would wait. The caller holds l.mu.
func (l *live) hold() *opened {
	if l.face == nil {
		return nil
	}
	h := l.face
	h.held.Add(1)
	return h
}

// letGo ends a hold of an open file, or is its close. The last of them closes it.
func (t *Tree) letGo(h *opened) {
	if h.held.Add(-1) >= 0 {
		return
	}
	if err := h.open.Close(); err != nil {
		t.log.Warn("close", "err", err)
	}
}

// Measured is the handle by which a node was opened last, if fstat(2) tells the exact length of what the file
// shows, which it has to make for that; else 0, which is none.
func (t *Tree) Measured(id uint64) uint64 {
	if !t.Message(id) {
		return 0
	}
	l := t.table.open(id)
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.face == nil {
		return 0
	}
	h := l.face
	if !h.open.(*nodes.File).Measures() {
		return 0
	}
	return h.Num
}

// File is the message face open as fh, nil if fh is something else.
func (t *Tree) File(fh uint64) *nodes.File {
	h := t.handles.get(fh)
	if h == nil {
		return nil
	}
	f, _ := h.open.(*nodes.File)
	return f
}
