package mount

import (
	"bytes"
	"log/slog"
	"strings"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// faulty is a face that panics when it is used.
type faulty struct{ nodes.Plain }

func (faulty) Next(backends.Endpoint, []byte, int) ([]byte, error) { panic("a fault of ours") }
func (faulty) Put(backends.Endpoint, []byte) (int, error)          { panic("a fault of ours") }

// TestPanic: a panic is answered with EIO and logged with its stack, what it held is let
// go, and those who wait still hear of what they wait for.
func TestPanic(t *testing.T) {
	k := newKernel(t)
	var log bytes.Buffer
	k.s.log = slog.New(slog.NewTextHandler(&log, nil))
	node := k.queue()
	write, read, poll := k.open(node, syscall.O_RDWR)
	o := k.s.file(as[fuse.ReadIn](read).Fh)
	whole := o.file
	o.file = nodes.NewFile(faulty{}, whole.Waiter().(backends.Endpoint), nodes.InOrder)
	if errno, _ := k.ask(read); errno != syscall.EIO {
		t.Errorf("a read that panics gave %v, want EIO", errno)
	}
	if s := log.String(); !strings.Contains(s, "a fault of ours") || !strings.Contains(s, "faulty.Next") {
		t.Errorf("the log has not what happened and where:\n%s", s)
	}
	o.file = whole
	k.must(poll)
	k.must(write)
	k.must(read)
	_, other, _ := k.open(node, syscall.O_RDONLY)
	reading := k.send(other)
	o.file = nodes.NewFile(faulty{}, whole.Waiter().(backends.Endpoint), nodes.InOrder)
	if errno, _ := k.ask(write); errno != syscall.EIO {
		t.Errorf("a write that panics gave %v, want EIO", errno)
	}
	k.sendNatively("from outside")
	k.await()
	if errno, answer := k.answer(reading); errno != 0 || string(answer) != "from outside" {
		t.Errorf("READ by another: %v %q", errno, answer)
	}
	o.file = whole
}
