package mount

import (
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/nodes"
)

// TestPollStopped: what a poll that is interrupted has asked for is no answer to a later one; but another
// that waits for the same has it.
func TestPollStopped(t *testing.T) {
	k := newKernel(t)
	node := k.lookup(k.lookup(fuse.FUSE_ROOT_ID, "ctl"), "status")
	read := func() *openFile {
		_, read, poll := k.open(node, syscall.O_RDONLY)
		unique := k.send(read)
		k.await()
		if errno, _ := k.answer(unique); errno != 0 {
			t.Fatalf("read: %v", errno)
		}
		return k.s.file(as[pollIn](poll).Fh)
	}
	o, buf := read(), make([]byte, 4096)
	p, other := &polling{o: o}, &polling{o: o}
	for _, alone := range []bool{false, true} {
		o.gate.mu.Lock()
		for _, op := range []operation{p, other} {
			if _, err := op.Try(buf); !nodes.Waits(err) {
				t.Errorf("a text that is to be made: %v", err)
			}
		}
		if !alone {
			o.gate.probers.push(&parked{op: other})
		}
		_, _ = p.Stop(buf, syscall.EINTR)
		o.gate.probers = waiters{}
		o.gate.mu.Unlock()
		read() // after what was asked for
		o.gate.mu.Lock()
		if _, err := other.Try(buf); nodes.Waits(err) != alone {
			t.Errorf("alone: %v, and answered %v", alone, err)
		}
		o.gate.mu.Unlock()
	}
}

// TestMeasuredAsRead: whoever asks for the length of a text that is being read has it from the read. What they
// have asked for themselves is no answer to a later poll, and wakes nobody; but one that waits for the same has
// it.
func TestMeasuredAsRead(t *testing.T) {
	k := newKernel(t)
	node := k.lookup(k.lookup(fuse.FUSE_ROOT_ID, "ctl"), "status")
	buf := make([]byte, bufferSize)
	for _, alone := range []bool{false, true} {
		_, _, poll := k.open(node, syscall.O_RDONLY)
		o := k.s.file(as[pollIn](poll).Fh)
		get := fuse.GetAttrIn{Flags_: fuse.FUSE_GETATTR_FH, Fh_: o.fh}
		r := &reading{o: o, size: 4096}
		m := &measuring{s: k.s, o: o, req: request(&get.InHeader, opGetattr, node, bytesOf(&get))}
		p := &polling{o: o}
		o.gate.mu.Lock()
		for _, op := range []operation{r, m, p} {
			if _, err := op.Try(buf); !nodes.Waits(err) {
				t.Errorf("a text that is to be made: %v", err)
			}
		}
		o.gate.probers.push(&parked{op: m})
		if !alone {
			o.gate.probers.push(&parked{op: p})
		}
		o.gate.mu.Unlock()

		_, read, _ := k.open(node, syscall.O_RDONLY)
		unique := k.send(read) // made after what was asked for
		k.await()
		if errno, _ := k.answer(unique); errno != 0 {
			t.Fatalf("read: %v", errno)
		}
		o.gate.mu.Lock()
		for _, op := range []operation{r, m} {
			if _, err := op.Try(buf); err != nil {
				t.Error(err)
			}
		}
		o.gate.probers = waiters{}
		if _, err := p.Try(buf); nodes.Waits(err) != alone {
			t.Errorf("alone: %v, and answered %v", alone, err)
		}
		o.gate.mu.Unlock()
	}
}
