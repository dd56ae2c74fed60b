package mount

import (
	"math"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

const (
	opFlush = 25
	opGetlk = 31
	opSetlk = 32
)

// later takes answers, also those that come by themselves, until there is
// one to each request, and returns their errnos.
func (k *kernel) later(uniques ...uint64) []syscall.Errno {
	k.t.Helper()
	got := map[uint64]syscall.Errno{}
	fds := []unix.PollFd{{Fd: int32(k.dev), Events: unix.POLLIN}}
	for len(got) < len(uniques) {
		if n, err := unix.Poll(fds, 20000); n == 0 || err != nil && err != unix.EINTR {
			k.t.Fatalf("no answer: %v", err)
		} else if err == nil {
			_, h := k.take()
			got[h.Unique] = syscall.Errno(-h.Status)
		}
	}
	var list []syscall.Errno
	for _, unique := range uniques {
		list = append(list, got[unique])
	}
	return list
}

// lockable makes shared memory and opens it. lock makes requests for locks of it.
func (k *kernel) lockable() (node, fh uint64, lock func(op uint32, owner, start, end uint64) []byte) {
	dir := k.lookup(fuse.FUSE_ROOT_ID, "shm")
	create := fuse.MknodIn{Mode: syscall.S_IFREG | 0600}
	k.must(request(&create.InHeader, opMknod, dir, bytesOf(&create), []byte("file\x00")...))
	node = k.lookup(dir, "file")
	open := fuse.OpenIn{Flags: syscall.O_RDWR | largeFile}
	_, answer := k.ask(request(&open.InHeader, opOpen, node, bytesOf(&open)))
	fh = as[fuse.OpenOut](answer).Fh
	return node, fh, func(op uint32, owner, start, end uint64) []byte {
		in := fuse.LkIn{Fh: fh, Owner: owner, Lk: fuse.FileLock{
			Start: start, End: end, Typ: syscall.F_WRLCK, Pid: uint32(1000 + owner)}}
		return request(&in.InHeader, op, node, bytesOf(&in))
	}
}

// TestLocks: a lock is waited for alone, at no other's cost, until it is given back, the caller
// is interrupted, or the kernel would end the mount for it.
func TestLocks(t *testing.T) {
	k := newKernel(t)
	node, fh, lock := k.lockable()
	k.must(lock(opSetlk, 1, 0, 9))
	if errno, _ := k.ask(lock(opSetlk, 2, 5, math.MaxInt64)); errno != syscall.EAGAIN {
		t.Errorf("another's: %v", errno)
	}
	errno, answer := k.ask(lock(opGetlk, 2, 5, 5))
	held := fuse.FileLock{End: 9, Typ: syscall.F_WRLCK, Pid: 1001}
	if lk := as[fuse.LkOut](answer).Lk; errno != 0 || lk != held {
		t.Errorf("%v, the lock is %+v", errno, lk)
	}

	waits := k.send(lock(opSetlkw, 2, 5, 5))
	k.silent()
	k.must(lock(opSetlkw, 3, 20, 29)) // nobody's, and so not behind the one that waits
	k.interrupt(waits)
	if errno, _ := k.answer(waits); errno != syscall.EINTR {
		t.Errorf("interrupted: %v", errno)
	}

	waits = k.send(lock(opSetlkw, 2, 5, 5))
	k.silent()
	flush := fuse.FlushIn{Fh: fh, LockOwner: 1}
	closed := k.send(request(&flush.InHeader, opFlush, node, bytesOf(&flush)))
	if got := k.later(closed, waits); got[0] != 0 || got[1] != 0 {
		t.Errorf("given back: %v", got)
	}

	waits = k.send(lock(opSetlkw, 1, 0, 9))
	k.s.workers.Add(1)
	go k.s.endLongWaits(80 * time.Millisecond)
	if got := k.later(waits); got[0] != syscall.ENOLCK {
		t.Errorf("too long: %v", got)
	}
	close(k.s.ended)
	k.s.workers.Wait()
	release := fuse.ReleaseIn{Fh: fh}
	k.must(request(&release.InHeader, opRelease, node, bytesOf(&release)))
}
