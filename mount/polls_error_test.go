package mount

import (
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// TestPollError: a socket with an error that nobody takes is not armed for those who know of the error: it would
// wake the daemon without end. When somebody has taken it, by a read or a write, they wait for more.
func TestPollError(t *testing.T) {
	for _, by := range []string{"read", "write"} {
		t.Run(by, func(t *testing.T) {
			k := newKernel(t)
			udp := k.lookup(k.lookup(fuse.FUSE_ROOT_ID, "sockets"), "udp")
			open := fuse.OpenIn{Flags: syscall.O_RDWR | largeFile}
			node := k.lookup(udp, "127.0.0.1:1") // tcpmux, which nobody serves
			opening := k.send(request(&open.InHeader, opOpen, node, bytesOf(&open)))
			k.await()
			errno, answer := k.answer(opening)
			if errno != 0 {
				t.Fatal(errno)
			}
			fh := as[fuse.OpenOut](answer).Fh
			w := fuse.WriteIn{Fh: fh, Size: 1}
			r := fuse.ReadIn{Fh: fh, Size: 4096, ReadFlags: fuse.READ_LOCKOWNER}
			p := pollIn{Fh: fh, Kh: fh, Flags: pollScheduleNotify, Events: unix.POLLIN}
			write, read, poll := request(&w.InHeader, opWrite, node, bytesOf(&w), 'x'),
				request(&r.InHeader, opRead, node, bytesOf(&r)), request(&p.InHeader, opPoll, node, bytesOf(&p))
			g := k.s.file(fh).gate
			armed := func() backends.Ready {
				g.mu.Lock()
				defer g.mu.Unlock()
				return g.armed
			}
			k.must(write)
			for ready := uint32(0); ready&unix.POLLERR == 0; { // loopback's answer is there as a rule
				errno, answer := k.ask(poll)
				if errno != 0 {
					t.Fatal(errno)
				}
				ready = *as[uint32](answer)
			}
			g.onReady() // or the poller, for an earlier poll
			if got := armed(); got != 0 {
				t.Errorf("armed for %#x", got)
			}
			takes := map[string][]byte{"read": read, "write": write}[by]
			if errno, _ := k.ask(takes); errno != syscall.ECONNREFUSED {
				t.Errorf("%s: %v", by, errno)
			}
			if got := armed(); got&backends.In == 0 {
				t.Errorf("armed for %#x, not for a datagram", got)
			}
		})
	}
}
