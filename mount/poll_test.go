package mount

import (
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// A poller waits from when its poll finds nothing, and again when a read is told
// that there is nothing; not while it has a message.
func TestWhoWaitsInPoll(t *testing.T) {
	k := newKernel(t)
	node := k.queue()
	write, _, _ := k.open(node, syscall.O_WRONLY)
	_, read, poll := k.open(node, syscall.O_RDONLY|syscall.O_NONBLOCK)
	as[fuse.ReadIn](read).Flags = syscall.O_NONBLOCK
	as[pollIn](poll).Events = unix.POLLIN | unix.POLLOUT // as Go and others ask, whatever the file is open for
	w := k.s.file(as[fuse.ReadIn](read).Fh).file.Waiter()
	waiting := func(when string, readers, writers int) {
		t.Helper()
		if now := k.s.Waiting(w); now.Parked != (nodes.Sides{}) ||
			now.Polling != (nodes.Sides{Readers: readers, Writers: writers}) {
			t.Errorf("%s: %+v parked, %+v poll", when, now.Parked, now.Polling)
		}
	}
	waiting("before anybody polls", 0, 0)
	k.must(poll)
	waiting("in poll", 1, 0)
	k.must(write)
	waiting("woken", 0, 0)
	k.must(poll)
	waiting("polls, and there is a message", 0, 0)
	k.must(read)
	waiting("at work on the message", 0, 0)
	as[fuse.ReadIn](read).Offset += 9
	if errno, _ := k.ask(read); errno != syscall.EAGAIN {
		t.Fatalf("read of nothing: %v", errno)
	}
	waiting("read finds nothing, in a program with EPOLLET", 1, 0)
	k.must(poll)
	waiting("in poll again", 1, 0)
	as[fuse.ReadIn](read).Flags = 0
	reading := k.send(read)
	if now := k.s.Waiting(w); now.Parked.Readers != 1 || now.Polling.Readers != 0 {
		t.Errorf("in a read after its poll: %+v", now)
	}
	k.must(write)
	if errno, _ := k.answer(reading); errno != 0 {
		t.Errorf("the read: %v", errno)
	}
	release := fuse.ReleaseIn{Fh: as[fuse.ReadIn](read).Fh}
	k.ask(request(&release.InHeader, opRelease, node, bytesOf(&release)))
	waiting("closed", 0, 0)

	for range 10 {
		k.must(write)
	}
	other, _, poll := k.open(node, syscall.O_WRONLY|syscall.O_NONBLOCK)
	as[pollIn](poll).Events = unix.POLLIN | unix.POLLOUT
	as[fuse.WriteIn](other).Flags = syscall.O_NONBLOCK
	k.must(poll)
	waiting("a writer in poll", 0, 1)
	_, read, _ = k.open(node, syscall.O_RDONLY)
	k.must(read)
	as[fuse.ReadIn](read).Offset += 9
	waiting("a writer who is woken", 0, 0)
	k.must(other)
	k.must(poll)
	waiting("a writer in poll again", 0, 1)
	k.must(read)
	k.must(poll)
	waiting("a writer who knows that there is room", 0, 0)
	as[pollIn](poll).Events = unix.POLLOUT
	k.must(poll)
	k.must(other)
	k.must(poll) // it is told of the message: somebody asked for that by this file
	if errno, _ := k.ask(other); errno != syscall.EAGAIN {
		t.Fatalf("write to a full queue: %v", errno)
	}
	waiting("a writer told that there is no room", 0, 1)
}

// Two programs, or threads, that poll by one open file for different things are both told: the kernel has one
// poll handle for them, and the one that polls last takes nothing from the other.
func TestSharedPoll(t *testing.T) {
	k := newKernel(t)
	node := k.queue()
	write, _, _ := k.open(node, syscall.O_WRONLY)
	_, read, poll := k.open(node, syscall.O_RDWR)
	polls := func(events uint32) {
		as[pollIn](poll).Events = events
		k.must(poll)
	}
	told := func(when string, want int) {
		t.Helper()
		if n := k.woken + k.notified(); n != want {
			t.Errorf("%s: told %d times", when, n)
		}
		k.woken = 0
	}
	polls(unix.POLLIN)
	polls(unix.POLLOUT)
	k.must(write)
	told("a message, after a poll for room", 1)
	polls(unix.POLLIN)
	polls(unix.POLLIN)
	told("nothing that is not known", 0)
	k.must(read)

	polls(unix.POLLIN)
	o := k.s.file(as[pollIn](poll).Fh)
	if _, err := o.file.Write([]byte("natively")); err != nil { // the poller's goroutine has not told of it yet
		t.Fatal(err)
	}
	polls(unix.POLLOUT)
	told("a message that the last one has seen", 1)
}
