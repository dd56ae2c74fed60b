package mount

import (
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// TestHot: what is answered without anybody who could take over is about message faces. Of
// shared memory it may wait: while one cuts a large object, another's stat(2) of it waits for
// that, and nobody else is to wait for them.
func TestHot(t *testing.T) {
	k := newKernel(t)
	shm := k.lookup(fuse.FUSE_ROOT_ID, "shm")
	mknod := fuse.MknodIn{Mode: syscall.S_IFREG | 0600}
	name := []byte("x\x00")
	if errno, _ := k.ask(request(&mknod.InHeader, opMknod, shm, bytesOf(&mknod), name...)); errno != 0 {
		t.Fatal(errno)
	}
	// Nor does anybody overtake who measures a text, which is made, and told of, by workers.
	text := k.lookup(k.lookup(k.lookup(k.lookup(fuse.FUSE_ROOT_ID, "ctl"), "shm"), "x"), "status")
	measured := func() (list [2]bool) {
		for i, op := range []uint32{opGetattr, opStatx} {
			var h fuse.InHeader
			list[i] = k.s.hot(request(&h, op, text, bytesOf(&h)))
		}
		return list
	}
	if got := measured(); got != [2]bool{} {
		t.Errorf("a text that nobody has open: %v", got)
	}
	k.open(text, syscall.O_RDONLY)
	if got := measured(); got != [2]bool{true, true} {
		t.Errorf("a text that is open: %v", got)
	}
	for node, hot := range map[uint64]bool{k.queue(): true, k.lookup(shm, "x"): false} {
		for _, op := range []uint32{opGetattr, opOpen, opSetattr} {
			var h fuse.InHeader
			if got := k.s.hot(request(&h, op, node, bytesOf(&h))); got != hot {
				t.Errorf("operation %d of node %d: %v, want %v", op, node, got, hot)
			}
		}
	}
}
