package fs

import (
	"fmt"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// An Opening is an open(2), from its request until there is an open file. Its methods never block.
type Opening struct {
	t       *Tree
	n       *node // nil: one that the kernel was never told of
	flags   uint32
	by      nodes.Caller
	pending *nodes.Pending // nil: it has not begun, or has ended
}

// Begin begins an open(2).
func (t *Tree) Begin(in *fuse.OpenIn) *Opening {
	return t.opening(t.table.get(in.NodeId), in.Flags, &in.InHeader)
}

func (t *Tree) opening(n *node, flags uint32, in *fuse.InHeader) *Opening {
	return &Opening{t: t, n: n, flags: flags, by: nodes.Caller{Uid: in.Uid, Gid: in.Gid, Pid: int(in.Pid)}}
}

// open is an open(2) that cannot come again.
func (t *Tree) open(n *node, flags uint32, in *fuse.InHeader, out *fuse.OpenOut) fuse.Status {
	o := t.opening(n, flags, in)
	err := o.Try(out)
	if nodes.Waits(err) {
		o.Stop()
	}
	return fuse.Status(nodes.Errno(err))
}

// Try goes on until out is the answer. ErrWouldBlock and ErrUnsettled: it has to wait. Any other error is an errno.
func (o *Opening) Try(out *fuse.OpenOut) error {
	if o.n == nil {
		return syscall.ESTALE
	}
	t, n := o.t, o.n
	if n.inquires(o.flags, o.by.Uid) {
		return syscall.ENOTTY
	}
	h := &Handle{node: n, flags: o.flags, uid: o.by.Uid}
	if !n.message() {
		n.mu.Lock() // all who open it share what is open
		defer n.mu.Unlock()
	}
	open, err := o.object()
	switch {
	case nodes.Waits(err):
		return err
	case err != nil:
		return syscall.Errno(t.failAt("open", n.kind, t.table.path(n, ""), err))
	}
	h.open = open
	if n.message() {
		n.mu.Lock()
		defer n.mu.Unlock()
	}
	if status := t.opened(n, h, out); !status.Ok() {
		return syscall.Errno(status)
	}
	return nil
}

// object is what is opened.
func (o *Opening) object() (open nodes.Open, err error) {
	t, n := o.t, o.n
	if n.memory != nil {
		// The object is the one the kernel has this node for, whatever its name leads to by now.
		return n.memory, n.memory.join(o.flags)
	}
	if o.pending == nil {
		class, ok := t.class(n).(nodes.Opener)
		if !ok {
			return nil, syscall.EPERM
		}
		path := t.table.path(n, "")
		if _, err = t.still(n, path); err != nil {
			return nil, err
		}
		if open, err = class.Open(path, int(o.flags), o.by); err != nil {
			return nil, err
		}
		if o.pending, ok = open.(*nodes.Pending); !ok {
			return open, nil
		}
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

// Stop gives up after Try had to wait. false: it is too late, and Try will tell.
func (o *Opening) Stop() bool { return o.pending.Stop == nil || o.pending.Stop() }

// opened gives what a handle has open its number. The caller holds the node's lock.
func (t *Tree) opened(n *node, h *Handle, out *fuse.OpenOut) fuse.Status {
	switch open := h.open.(type) {
	case *nodes.File:
		out.OpenFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH | fuse.FOPEN_PARALLEL_DIRECT_WRITES
		if !open.Seekable() {
			// Without a file position there is no lock of it that a blocked read would keep from a write.
			out.OpenFlags |= fuse.FOPEN_STREAM | fuse.FOPEN_NONSEEKABLE
		}
		n.faces = append(n.faces, h)
		t.table.busy(n)
	case *memory:
		open.answer(out)
	case nodes.Memory:
		if err := t.env.Shares.Take(h.uid); err != nil {
			_ = open.Close()
			return t.failAt("open", n.kind, t.table.path(n, ""), err)
		}
		n.memory = newMemory(open, h.uid, t.backer())
		if n.memory.failed != nil {
			t.backingFailures.Add(1)
			t.log.Warn("no passthrough for this object", "path", t.table.path(n, ""), "err", n.memory.failed)
		}
		h.open = n.memory
		n.memory.answer(out)
	default:
		out.OpenFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH
	}
	if !t.handles.add(h) {
		t.close(h)
		return t.tooMany(h)
	}
	out.Fh = h.num
	return fuse.OK
}

// tooMany refuses one more open file.
func (t *Tree) tooMany(h *Handle) fuse.Status {
	advice := fmt.Sprintf("user %d has %d files of the tree open, which is as many as one user may", h.uid, maxHandles)
	return t.fail(&nodes.Error{Op: "open", Path: t.where(h.node), Errno: syscall.ENFILE, Advice: advice})
}

// Release is told once, after the last descriptor of an open file was closed.
func (t *Tree) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	if h := t.handles.remove(in.Fh); h != nil {
		t.closeHandle(h)
	}
}

func (t *Tree) closeHandle(h *Handle) {
	if h.node != nil {
		h.node.mu.Lock()
		defer h.node.mu.Unlock()
	}
	t.close(h)
}

// close closes what h has open. The caller holds the node's lock.
func (t *Tree) close(h *Handle) {
	switch open := h.open.(type) {
	case nil:
		return
	case *memory:
		if last, err := open.leave(); last {
			h.node.memory = nil
			t.env.Shares.Give(open.uid)
			if err != nil {
				t.log.Warn("closing shared memory", "err", err)
			}
		}
		return
	}
	if _, ok := h.open.(*nodes.File); ok {
		h.node.release(h, t.table)
	}
	if err := h.open.Close(); err != nil {
		t.log.Warn("close", "err", err)
	}
}

// release takes a handle of a message face from its node. The caller holds n.mu.
func (n *node) release(h *Handle, t *table) {
	n.faces = slices.DeleteFunc(n.faces, func(o *Handle) bool { return o == h })
	if len(n.faces) == 0 {
		t.idle(n)
	}
}

// face is the message face of a node as who opened it last has it open; nil if nobody has. The caller holds n.mu.
func (n *node) face() *nodes.File {
	if len(n.faces) == 0 {
		return nil
	}
	return n.faces[len(n.faces)-1].open.(*nodes.File)
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
