package mount

import (
	"encoding/binary"
	"io"
	"log"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Opcodes of which the session knows nothing.
const (
	opFallocate = 43
	opUnknown   = 4000
)

// takeUp takes a request up as the leader does, but for handing on the lead.
func (k *kernel) takeUp(req []byte) {
	if malformed(req) {
		k.s.refuse(req, k.out)
		return
	}
	unawaited(req)
	k.s.hot(req)
	k.s.handle(req, k.out)
}

// drain takes all answers, and reports whether one to unique was among them.
func (k *kernel) drain(unique uint64) (answered bool) {
	for {
		n, err := unix.Read(k.dev, k.got)
		if err != nil {
			return answered
		}
		if h := as[fuse.OutHeader](k.got[:n]); h != nil && h.Unique == unique {
			answered = true
		}
	}
}

// wellFormed are requests of all kinds that the session looks into, as a kernel makes them, about an open
// queue.
func wellFormed(k *kernel, node uint64) [][]byte {
	write, read, poll := k.open(node, syscall.O_RDWR)
	fh := as[fuse.ReadIn](read).Fh
	get, open := fuse.GetAttrIn{}, fuse.OpenIn{Flags: largeFile}
	release, interrupt := fuse.ReleaseIn{Fh: fh}, fuse.InterruptIn{Unique: 2}
	set, lock := fuse.SetAttrIn{}, fuse.LkIn{Fh: fh}
	forget := fuse.ForgetIn{Nlookup: 1}
	var h, unknown, batch fuse.InHeader
	batchBody := append(bytesOf(&batch), 1, 0, 0, 0, 0, 0, 0, 0)
	return [][]byte{
		write, read, poll,
		request(&get.InHeader, opGetattr, node, bytesOf(&get)),
		request(&set.InHeader, opSetattr, node, bytesOf(&set)),
		request(&open.InHeader, opOpen, node, bytesOf(&open)),
		request(&lock.InHeader, opSetlkw, node, bytesOf(&lock)),
		request(&interrupt.InHeader, opInterrupt, 0, bytesOf(&interrupt)),
		request(&h, opLookup, fuse.FUSE_ROOT_ID, bytesOf(&h), []byte("ctl\x00")...),
		request(&unknown, opUnknown, node, bytesOf(&unknown)),
		request(&forget.InHeader, opForget, 1<<40, bytesOf(&forget)),
		request(&batch, opBatchForget, 0, batchBody, make([]byte, 16)...),
		request(&release.InHeader, opRelease, node, bytesOf(&release)),
	}
}

// TestMalformed: requests that are cut off, longer than they say, of sizes that lie, or about files that are
// not open, do no harm: nothing panics, and the next one is answered.
func TestMalformed(t *testing.T) {
	k := newKernel(t)
	var said strings.Builder
	k.s.log = slog.New(slog.NewTextHandler(&said, nil))
	alive := func(what string) {
		t.Helper()
		k.drain(0)
		if k.lookup(fuse.FUSE_ROOT_ID, "queues"); strings.Contains(said.String(), "panic") {
			t.Fatalf("%s: %s", what, said.String())
		}
	}
	log.SetOutput(io.Discard) // go-fuse shows what it refuses
	defer log.SetOutput(os.Stderr)
	all := wellFormed(k, k.queue())
	for _, req := range all[:len(all)-1] {
		op := as[fuse.InHeader](req).Opcode
		for n := range req {
			for _, honest := range []bool{false, true} {
				short := append([]byte(nil), req[:n]...)
				if h := as[fuse.InHeader](short); h != nil && honest {
					h.Length = uint32(n)
				}
				k.takeUp(short)
			}
		}
		alive("cut off")
		for _, at := range []int{40, 44, 48, 52, 56, 60, 64} { // handles, offsets, sizes, counts
			if at+4 > len(req) || op == opInterrupt {
				continue
			}
			for _, v := range []uint32{0, 1, 1 << 20, 1 << 31, 1<<32 - 1} {
				lie := append([]byte(nil), req...)
				binary.NativeEndian.PutUint32(lie[at:], v)
				k.takeUp(lie)
			}
		}
		alive("it lies")
	}
	// One of the reads waits; else its end could come before the answer to the removal of the queue.
	k.interrupt(0)
	k.drain(0)
}

// TestNumberTwice: a request with the number of one that waits is refused, and the first waits on, can be
// interrupted, and costs its user nothing then.
func TestNumberTwice(t *testing.T) {
	k := newKernel(t)
	_, read, _ := k.open(k.queue(), syscall.O_RDWR)
	first := k.send(read)
	k.takeUp(read)
	if errno, _ := k.answer(first); errno != syscall.EINVAL {
		t.Errorf("the second: %v", errno)
	}
	k.interrupt(first)
	if errno, _ := k.answer(first); errno != syscall.EINTR {
		t.Errorf("the first: %v", errno)
	}
	if n := len(k.s.waiting.byUid); n != 0 {
		t.Errorf("%d users still pay", n)
	}
}

// FuzzRequest: whatever is read from the device, nothing panics, and the next request is answered. The input
// is requests, each behind its length in two bytes. They are taken up in an ipc namespace of their own, if
// that can be had.
func FuzzRequest(f *testing.F) {
	type play struct {
		data []byte
		done chan string
	}
	log.SetOutput(io.Discard)
	plays := make(chan play)
	ready := make(chan [][]byte)
	go func() {
		defer close(ready)     // also if there is no kernel to be had
		runtime.LockOSThread() // for good, with its namespace
		if err := unix.Unshare(unix.CLONE_NEWIPC); err != nil {
			return
		}
		k := newKernel(f)
		var said strings.Builder
		k.s.log = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelError}))
		node, _ := k.lastingQueue() // ends with the namespace
		ready <- wellFormed(k, node)
		for p := range plays {
			said.Reset()
			for b := p.data; len(b) > 2; {
				n := min(int(binary.LittleEndian.Uint16(b)), len(b)-2)
				req := append([]byte(nil), b[2:2+n]...)
				b = b[2+n:]
				k.takeUp(req)
				k.drain(0)
			}
			var h fuse.InHeader
			req := request(&h, opLookup, fuse.FUSE_ROOT_ID, bytesOf(&h), []byte("shm\x00")...)
			as[fuse.InHeader](req).Unique = 1 << 62
			k.takeUp(req)
			switch answered := k.drain(1 << 62); {
			case !answered:
				p.done <- "no answer to the next request"
			case strings.Contains(said.String(), "panic"):
				p.done <- said.String()
			default:
				p.done <- ""
			}
		}
	}()
	f.Cleanup(func() { close(plays) })
	seeds, ok := <-ready
	if !ok {
		f.Skip("no ipc namespace of its own")
	}
	framed := func(reqs ...[]byte) (b []byte) {
		for _, r := range reqs {
			b = append(binary.LittleEndian.AppendUint16(b, uint16(len(r))), r...)
		}
		return b
	}
	for _, req := range seeds {
		f.Add(framed(req))
		f.Add(framed(req[:len(req)-1]))
		f.Add(framed(req, req))
	}
	falloc := fuse.FallocateIn{Fh: 99, Length: 1 << 60}
	f.Add(framed(seeds...))
	f.Add(framed(request(&falloc.InHeader, opFallocate, 5, bytesOf(&falloc))))
	f.Add(framed(make([]byte, unsafe.Sizeof(fuse.InHeader{}))))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := play{data, make(chan string)}
		plays <- p
		if trouble := <-p.done; trouble != "" {
			t.Error(trouble)
		}
	})
}
