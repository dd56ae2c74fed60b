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

// TestTimed: of few calls each is timed, of many some stand for the others.
func TestTimed(t *testing.T) {
	k := newKernel(t)
	write, read, _ := k.open(k.queue(), syscall.O_RDWR)
	calls := 0
	for _, many := range []int{3, timedAll, 5 * timedAll} {
		for ; calls < many; calls++ {
			k.must(write)
			k.must(read)
		}
		var timed int64
		of := &k.s.stats.of("queues").writes
		for i := range of.took.counts {
			timed += of.took.counts[i].Load()
		}
		if left := int64(calls) - timed; left < 0 || left >= timedOne || many <= timedAll && left > 0 {
			t.Errorf("%d of %d calls are timed", timed, calls)
		}
		if of.took.sum.Load() < 100*timed {
			t.Errorf("%d calls took %d ns", timed, of.took.sum.Load())
		}
	}
}
