package mount

import (
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// What is done for each message makes no garbage.
func TestNoAllocations(t *testing.T) {
	k := newKernel(t)
	node := k.queue()
	write, both, poll := k.open(node, syscall.O_RDWR)
	_, read, _ := k.open(node, syscall.O_RDONLY) // has a file position
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"WRITE, READ", func() { k.must(write); k.must(both) }},
		{"WRITE, READ by a reader", func() { k.must(write); k.must(read); as[fuse.ReadIn](read).Offset += 9 }},
		{"POLL", func() { k.must(poll) }},
		{"POLL, WRITE that wakes the poller, READ", func() { k.must(poll); k.must(write); k.must(both) }},
	} {
		if n := testing.AllocsPerRun(1000, c.f); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
	if k.woken < 1000 {
		t.Errorf("the poller was woken %d times", k.woken)
	}
}

func BenchmarkWriteRead(b *testing.B) {
	k := newKernel(b)
	write, read, _ := k.open(k.queue(), syscall.O_RDWR)
	b.ReportAllocs()
	for b.Loop() {
		k.must(write)
		k.must(read)
	}
}

func BenchmarkPoll(b *testing.B) {
	k := newKernel(b)
	_, _, poll := k.open(k.queue(), syscall.O_RDWR)
	b.ReportAllocs()
	for b.Loop() {
		k.must(poll)
	}
}
