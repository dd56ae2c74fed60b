package mount

import (
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/mqueue"
	"golang.org/x/sys/unix"
)

// Readers who still wait after a write through the mount hear of a message that comes another way.
func TestStillArmed(t *testing.T) {
	k := newKernel(t)
	node := k.queue()
	write, _, _ := k.open(node, syscall.O_WRONLY)
	_, first, _ := k.open(node, syscall.O_RDONLY)
	_, second, _ := k.open(node, syscall.O_RDONLY)
	reading, alsoReading := k.send(first), k.send(second)

	wrote := k.send(write)
	if errno, _ := k.answer(wrote); errno != 0 {
		t.Fatalf("WRITE: %v", errno)
	}
	if errno, answer := k.answer(reading); errno != 0 || string(answer) != "a message" {
		t.Fatalf("READ: %v %q", errno, answer)
	}
	k.sendNatively("another")
	k.await()
	if errno, answer := k.answer(alsoReading); errno != 0 || string(answer) != "another" {
		t.Errorf("READ by the second: %v %q", errno, answer)
	}

	// And so after a write that failed.
	as[fuse.ReadIn](second).Offset = 7
	reading = k.send(second)
	in := as[fuse.WriteIn](write)
	long := request(&in.InHeader, opWrite, node, write[:len(write)-int(in.Size)], make([]byte, 129)...)
	as[fuse.WriteIn](long).Size = 129
	if errno, _ := k.ask(long); errno != syscall.EMSGSIZE {
		t.Fatalf("WRITE of too much: %v", errno)
	}
	k.sendNatively("a third")
	k.await()
	if errno, answer := k.answer(reading); errno != 0 || string(answer) != "a third" {
		t.Errorf("READ after a write that failed: %v %q", errno, answer)
	}
}

// sendNatively sends a message to the queue as other programs do.
func (k *kernel) sendNatively(message string) {
	k.t.Helper()
	poll, err := backends.NewPoller()
	if err != nil {
		k.t.Fatal(err)
	}
	defer poll.Close()
	all := mqueue.NewQueues(poll, 0, 0)
	defer all.Close()
	q, err := all.Open(backends.Ref{Path: queueName()}, syscall.O_WRONLY)
	if err != nil {
		k.t.Fatal(err)
	}
	defer q.Close()
	if _, err := q.TryWrite([]byte(message), backends.Meta{}); err != nil {
		k.t.Fatal(err)
	}
}

// await waits until there is an answer.
func (k *kernel) await() {
	fds := []unix.PollFd{{Fd: int32(k.dev), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 10_000)
		if err == unix.EINTR {
			continue
		}
		if n != 1 {
			k.t.Fatalf("no answer: %v", err)
		}
		return
	}
}
