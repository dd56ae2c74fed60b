package mount

import (
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// byPageCache tells a READ that the page cache makes, for sendfile(2), splice(2), posix_fadvise(2),
// readahead(2) and private mappings. It comes from nobody who waits: it is larger than what was asked for, it
// may come before anything was asked for, and it goes on when its caller was killed. So it may not take
// messages. Only a READ that is read(2) names the owner of locks (fuse_send_read, fs/fuse/file.c; before
// Linux 6.5 sendfile and splice make such ones, too). EINVAL makes programs read and write
// (TestConformance/…/only-read).
func byPageCache(in *fuse.ReadIn) bool { return in.ReadFlags&fuse.READ_LOCKOWNER == 0 }

// keepLength has the kernel use out, the answer to a GETATTR or STATX that is about to be sent, for stat(2)
// alone, if it should. TestConformance/…/harmless holds it.
func (s *Session) keepLength(req, out []byte) {
	h := as[fuse.InHeader](req)
	if as[fuse.OutHeader](out).Status != 0 {
		return
	}
	if h.Opcode == opStatx {
		// The kernel believes an answer that has all of stat(2), and shows one that has not (fuse_do_statx,
		// fs/fuse/dir.c).
		st := &as[fuse.StatxOut](out[headerSize:]).Statx
		a := fuse.Attr{Mode: uint32(st.Mode), Owner: fuse.Owner{Uid: st.Uid, Gid: st.Gid}}
		if s.tree.KeepsLength(h.NodeId, &a, false) {
			st.Mask &^= unix.STATX_BLOCKS
		}
		return
	}
	// Only lseek(2) to the end names an open file; fstat(2) does not.
	seeks := as[fuse.GetAttrIn](req).Flags()&fuse.FUSE_GETATTR_FH != 0
	if !s.tree.KeepsLength(h.NodeId, &as[fuse.AttrOut](out[headerSize:]).Attr, seeks) {
		return
	}
	s.Outdate(h.NodeId)
}

// Outdate has the kernel take the attributes for out of date that it was told of a node, and those that it
// has asked for and was not told yet (FUSE_NOTIFY_INVAL_INODE; fuse_reverse_inval_inode, fs/fuse/inode.c). It
// waits for nothing: only the bytes of a file are locked, and it is not told to drop those.
func (s *Session) Outdate(node uint64) {
	msg := outdated(node)
	s.send(msg[:]) // ENOENT: it does not know the node any more
}

// knows asks the kernel whether it knows a node, by Outdate.
func (s *Session) knows(node uint64) bool {
	msg := outdated(node)
	return s.dev.write(msg[:]) != unix.ENOENT
}

func outdated(node uint64) (msg [headerSize + 24]byte) {
	*(*fuse.OutHeader)(unsafe.Pointer(&msg[0])) = fuse.OutHeader{
		Length: uint32(len(msg)), Status: notifyInvalInode,
	}
	*(*fuse.NotifyInvalInodeOut)(unsafe.Pointer(&msg[headerSize])) = fuse.NotifyInvalInodeOut{Ino: node, Off: -1}
	return msg
}
