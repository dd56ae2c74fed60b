package mount

import (
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// TestManyPollers: what a poll, a message and a close cost does not grow with the square of those who poll
// one object, as everybody's requests wait for it.
func TestManyPollers(t *testing.T) {
	k := newKernel(t)
	node := k.queue()
	write, read, _ := k.open(node, syscall.O_RDWR)
	spent := func() time.Duration {
		var used unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
			t.Fatal(err)
		}
		return time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	each := func(n int) time.Duration {
		polls, releases := make([][]byte, n), make([][]byte, n)
		for i := range n {
			_, read, poll := k.open(node, syscall.O_RDONLY)
			as[pollIn](poll).Events = unix.POLLIN
			release := fuse.ReleaseIn{Fh: as[fuse.ReadIn](read).Fh}
			polls[i] = poll
			releases[i] = request(&release.InHeader, opRelease, node, bytesOf(&release))
		}
		before := spent()
		for _, poll := range polls {
			k.must(poll)
		}
		for _, release := range releases {
			k.must(release)
		}
		return (spent() - before) / time.Duration(n)
	}
	least := func(n int) time.Duration {
		took := each(n)
		for range 2 {
			took = min(took, each(n))
		}
		return took
	}
	if few, many := least(100), least(2000); many > 4*few {
		t.Errorf("a poll and a close cost %v where 100 poll, %v where 2000 do", few, many)
	}
	k.must(write)
	k.must(read)
}
