package mount

import (
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/mqueue"
	"golang.org/x/sys/unix"
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

// BenchmarkWriteRead is a message that is written and read: "bare" are the system calls that it takes, with
// nothing between them; a session does it without a ledger and with one.
func BenchmarkWriteRead(b *testing.B) {
	b.Run("bare", bareWriteRead)
	withAndWithout(b, func(b *testing.B, k *kernel) {
		write, read, _ := k.open(k.queue(), syscall.O_RDWR)
		b.ReportAllocs()
		for b.Loop() {
			k.must(write)
			k.must(read)
		}
	})
}

func bareWriteRead(b *testing.B) {
	k := newKernel(b)
	k.queue()
	poll, err := backends.NewPoller()
	if err != nil {
		b.Fatal(err)
	}
	defer poll.Close()
	all := mqueue.NewQueues(poll, 0, 0)
	defer all.Close()
	q, err := all.Open(backends.Ref{Path: queueName()}, syscall.O_RDWR)
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	message, room := []byte("a message"), make([]byte, 128)
	answer := func(n int) {
		if err := k.s.dev.write(k.out[:headerSize+n]); err != nil {
			b.Fatal(err)
		}
		if _, err := unix.Read(k.dev, k.got); err != nil {
			b.Fatal(err)
		}
	}
	putHeader(k.out, 2, 0, headerSize)
	for b.Loop() {
		if _, err := q.TryWrite(message, backends.Meta{}); err != nil {
			b.Fatal(err)
		}
		answer(8)
		n, _, err := q.TryRead(room)
		if err != nil {
			b.Fatal(err)
		}
		answer(n)
	}
}

// BenchmarkLines is a write of 60 lines, and the read that gets them.
func BenchmarkLines(b *testing.B) {
	withAndWithout(b, func(b *testing.B, k *kernel) {
		write, read, lines := k.lines(60)
		as[fuse.ReadIn](read).Size = 64 << 10
		b.ReportAllocs()
		for b.Loop() {
			wrote, reading := k.send(write), k.send(read)
			k.answer(wrote)
			k.answer(reading)
			as[fuse.ReadIn](read).Offset += uint64(len(lines))
		}
	})
}

// withAndWithout runs a benchmark without a ledger and with one.
func withAndWithout(b *testing.B, f func(b *testing.B, k *kernel)) {
	b.Run("none", func(b *testing.B) { f(b, newKernel(b)) })
	b.Run("desk", func(b *testing.B) {
		l := newLedger(b)
		k := kernelFor(b, l)
		k.out = *l.Desk().Room()
		f(b, k)
	})
}

func BenchmarkPoll(b *testing.B) {
	k := newKernel(b)
	_, _, poll := k.open(k.queue(), syscall.O_RDWR)
	b.ReportAllocs()
	for b.Loop() {
		k.must(poll)
	}
}
