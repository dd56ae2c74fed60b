package mount

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// A write of more lines than the queue has room for is passed on in one read, not in as many as the
// queue takes to fill up, and the reader may go back in what it got.
func TestLinesInOneRead(t *testing.T) {
	k := newKernel(t)
	write, read, lines := k.lines(50)
	wrote, reading := k.send(write), k.send(read)
	errno, answer := k.answer(wrote)
	if errno != 0 || int(as[fuse.WriteOut](answer).Size) != len(lines) {
		t.Errorf("WRITE: %v, %d bytes", errno, as[fuse.WriteOut](answer).Size)
	}
	if errno, answer := k.answer(reading); errno != 0 || !bytes.Equal(answer, lines) {
		t.Errorf("READ: %v %q", errno, answer)
	}
	as[fuse.ReadIn](read).Offset = 300
	if errno, answer := k.ask(read); errno != 0 || !bytes.Equal(answer, lines[300:]) {
		t.Errorf("READ at 300: %v %q", errno, answer)
	}
}

// A reader who waits gets a long write at once, without the poller.
func TestLinesToWaitingReader(t *testing.T) {
	k := newKernel(t)
	write, read, lines := k.lines(15)
	reading, wrote := k.send(read), k.send(write)
	if errno, _ := k.answer(wrote); errno != 0 {
		t.Errorf("WRITE: %v", errno)
	}
	if errno, answer := k.answer(reading); errno != 0 || !bytes.Equal(answer, lines) {
		t.Errorf("READ: %v %q", errno, answer)
	}
}

// lines makes a queue, which holds 10 messages, and requests that write and read that many lines of it.
func (k *kernel) lines(count int) (write, read, lines []byte) {
	k.queue()
	node := uint64(fuse.FUSE_ROOT_ID)
	for _, name := range []string{"ctl", "queues", queueName(), "lines"} {
		node = k.lookup(node, name)
	}
	for i := range count {
		lines = fmt.Appendln(lines, "line", i)
	}
	write, _, _ = k.open(node, syscall.O_WRONLY)
	_, read, _ = k.open(node, syscall.O_RDONLY)
	head := as[fuse.WriteIn](write)
	size := head.Size
	head.Size = uint32(len(lines))
	return request(&head.InHeader, opWrite, node, write[:len(write)-int(size)], lines...), read, lines
}
