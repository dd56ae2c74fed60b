package mount

import (
	"context"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// TestAcceptBehindInterrupted: of two who accept, the first has been woken, for a call, and is interrupted
// before a worker has looked for it: the second is told of the call.
func TestAcceptBehindInterrupted(t *testing.T) {
	k := newKernel(t)
	dir := k.lookup(fuse.FUSE_ROOT_ID, "sockets")
	create := fuse.MknodIn{Mode: syscall.S_IFREG | 0600}
	k.must(request(&create.InHeader, opMknod, dir, bytesOf(&create), []byte("s\x00")...))
	ctl := k.lookup(k.lookup(k.lookup(fuse.FUSE_ROOT_ID, "ctl"), "sockets"), "s")
	opens := func(node uint64, uid uint32, flags uint32) uint64 {
		open := fuse.OpenIn{Flags: flags | largeFile}
		req := request(&open.InHeader, opOpen, node, bytesOf(&open))
		as[fuse.InHeader](req).Uid = uid
		return k.send(req)
	}
	waits := func(n int) {
		for k.s.waiting.count() != n {
			runtime.Gosched()
		}
	}
	uid := uint32(os.Geteuid())
	var accepts [2]uint64
	for i := range accepts {
		accepts[i] = opens(k.lookup(ctl, "accept"), uid, syscall.O_RDWR)
		waits(i + 1)
	}
	begun, end := make(chan bool), make(chan struct{})
	for range 16 { // all that one user may have under way
		k.s.away.Go(uid, func(context.Context) { begun <- true; <-end })
		<-begun
	}
	dials := opens(k.lookup(dir, "s"), uid+1, syscall.O_RDWR|syscall.O_NONBLOCK)
	waits(1) // and for the first of the two a worker is to look
	k.interrupt(accepts[0])
	close(end)
	got := k.later(accepts[0], accepts[1], dials)
	if got[0] != syscall.EINTR || got[1] != 0 || got[2] != 0 {
		t.Errorf("interrupted: %v; the second: %v; who calls: %v", got[0], got[1], got[2])
	}
}
