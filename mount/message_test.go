package mount

import (
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// TestKeepLength: the kernel is to believe the length of a queue only where all who have it
// open by this node can seek, and none waits to write: /dev/fd opens a file once more by the
// same node, and cat does a fstat(2) then.
func TestKeepLength(t *testing.T) {
	k := newKernel(t)
	believed := func(node uint64, flags uint32) bool {
		in := fuse.GetAttrIn{Flags_: flags}
		unique := k.send(request(&in.InHeader, opGetattr, node, bytesOf(&in)))
		if _, h := k.take(); h.Unique == unique {
			return true // no notification before it
		}
		k.answer(unique)
		return false
	}
	node := k.queue()
	if believed(node, 0) {
		t.Error("that of a file that nobody has open")
	}
	k.open(node, syscall.O_RDONLY)
	if !believed(node, fuse.FUSE_GETATTR_FH) {
		t.Error("not that of one that seeks to its end")
	}
	if believed(node, 0) {
		t.Error("that of one that may be read by sendfile")
	}
	k.open(node, syscall.O_RDWR)
	k.open(node, syscall.O_RDONLY)
	if believed(node, fuse.FUSE_GETATTR_FH) {
		t.Error("that of one by which somebody may wait to write")
	}
}
