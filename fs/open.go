package fs

import (
	"fmt"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/nodes"
)

// Open is open(2). EAGAIN means that there may be something to wait for: see OpenWaits.
func (t *Tree) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n := t.table.get(in.NodeId)
	if n == nil {
		return fuse.Status(syscall.ESTALE)
	}
	return t.open(n, in.Flags, &in.InHeader, in.Unique, out)
}

// open opens a node for a request; unique is its number if the request can wait and come again.
func (t *Tree) open(n *node, flags uint32, in *fuse.InHeader, unique uint64, out *fuse.OpenOut) fuse.Status {
	class, ok := t.class(n).(nodes.Opener)
	if !ok {
		return fuse.EPERM
	}
	h := &Handle{node: n, flags: flags, uid: in.Uid}
	by := nodes.Caller{Uid: in.Uid, Gid: in.Gid, Pid: int(in.Pid)}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.memory != nil {
		// The object is the one the kernel has this node for, whatever its name leads to by now.
		if err := n.memory.join(flags); err != nil {
			return t.fail(err)
		}
		h.open = n.memory
	} else {
		open, err := t.opening.try(unique)
		if err == errNotOpening {
			path := t.table.path(n, "")
			if _, err = t.still(n, path); err == nil {
				open, err = class.Open(path, int(flags), by)
			}
		}
		if err = t.opening.keep(unique, err); err != nil {
			return t.failAt("open", n.kind, t.table.path(n, ""), err)
		}
		h.open = open
	}
	switch open := h.open.(type) {
	case *nodes.File:
		out.OpenFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH | fuse.FOPEN_PARALLEL_DIRECT_WRITES
		if !open.Seekable() {
			// Without a file position there is no lock of it that a blocked read would keep from a write.
			out.OpenFlags |= fuse.FOPEN_STREAM | fuse.FOPEN_NONSEEKABLE
		}
		n.faces = append(n.faces, h)
	case *memory:
		open.answer(out)
	case nodes.Memory:
		if err := t.env.Shares.Take(in.Uid); err != nil {
			_ = open.Close()
			return t.failAt("open", n.kind, t.table.path(n, ""), err)
		}
		n.memory = newMemory(open, in.Uid, t.backer())
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
