package mount

import (
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// TestPollAlways: whoever polls a queue for nothing, or has all that they poll for, is told that it was
// removed: POLLERR need not be asked for. No descriptor is armed for them, which would wake the poller's thread
// for each message.
func TestPollAlways(t *testing.T) {
	for name, events := range map[string]uint32{"for nothing": 0, "for what is there": unix.POLLOUT} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t)
			node, dir := k.lastingQueue()
			_, _, poll := k.open(node, syscall.O_RDWR)
			as[pollIn](poll).Events = events
			watched := func() int64 { return k.s.tree.Poller().Limits()[0].Used }
			before := watched()
			if k.must(poll); watched() != before {
				t.Error("the queue is armed")
			}
			g := k.s.file(as[pollIn](poll).Fh).gate
			var h fuse.InHeader
			k.must(request(&h, opUnlink, dir, bytesOf(&h), append([]byte(queueName()), 0)...))
			round := func() { // the poller has run what it was to run
				done := make(chan bool)
				k.s.tree.Poller().Soon(func() { close(done) })
				<-done
			}
			round()
			if n := k.woken + k.notified(); n != 1 {
				t.Errorf("the poller was told %d times", n)
			}
			if _, answer := k.ask(poll); *as[uint32](answer)&unix.POLLERR == 0 {
				t.Error("there is no POLLERR")
			}
			round()
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.armed != 0 {
				t.Errorf("armed for %#x of what is gone", g.armed)
			}
		})
	}
}
