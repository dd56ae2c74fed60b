package mount

import (
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// far is an endpoint whose messages come from elsewhere: a try is on its way until the test says what came of
// it.
type far struct {
	backends.Endpoint
	err     error // what the next try answers
	too     bool  // it is too late to take a try back
	wake    func()
	recalls int
	closed  chan string // told of Close
}

func (f *far) TryRead(p []byte) (int, backends.Meta, error) {
	return copy(p, "far"), backends.Meta{}, f.err
}

func (f *far) TryWrite(p []byte, _ backends.Meta) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return len(p), nil
}

func (f *far) Recall(backends.Ready) bool { f.recalls++; return !f.too }

func (f *far) Stat() (nodes.Attr, error) { return nodes.Attr{Mode: syscall.S_IFREG | 0666}, nil }

func (f *far) Unit() int                         { return 100 }
func (f *far) Arm(_ backends.Ready, wake func()) { f.wake = wake }

func (f *far) Close() error {
	if f.closed != nil {
		f.closed <- "close"
	}
	return nil
}

func (f *far) answers(err error) {
	wake := f.wake
	f.err, f.wake = err, nil
	wake()
}

// far opens a queue and puts an endpoint that is elsewhere in its place.
func (k *kernel) far() (f *far, write, read []byte) {
	write, read, _ = k.open(k.queue(), syscall.O_RDWR|syscall.O_NONBLOCK)
	as[fuse.ReadIn](read).Flags |= syscall.O_NONBLOCK
	as[fuse.WriteIn](write).Flags |= syscall.O_NONBLOCK
	o := k.s.file(as[fuse.ReadIn](read).Fh)
	was := *o
	f = &far{err: backends.ErrUnsettled}
	o.file, o.gate = nodes.NewFile(&nodes.Plain{}, f, nodes.InOrder), k.s.join(f)
	k.t.Cleanup(func() { *o = was })
	return f, write, read
}

func (k *kernel) interrupt(unique uint64) {
	in := fuse.InterruptIn{Unique: unique}
	k.s.handle(request(&in.InHeader, opInterrupt, 0, bytesOf(&in)), k.out)
}

// silent fails if there is an answer.
func (k *kernel) silent() {
	k.t.Helper()
	if n, err := syscall.Read(k.dev, k.got); err != syscall.EAGAIN {
		k.t.Fatalf("answered too soon: %+v", *as[fuse.OutHeader](k.got[:max(n, headerSize)]))
	}
}

// TestUnsettled: what is on its way has an answer when that is known, and not before, also for a request that
// must not wait.
func TestUnsettled(t *testing.T) {
	k := newKernel(t)
	f, write, read := k.far()

	writing := k.send(write)
	k.silent()
	if n := k.s.waiting.count(); n != 0 {
		t.Errorf("%d requests count as waiting", n)
	}
	behind := k.send(write) // the answer of the first is not known, nor whether this one would have to wait
	k.silent()
	f.answers(nil)
	for _, unique := range []uint64{writing, behind} {
		if errno, _ := k.answer(unique); errno != 0 {
			t.Errorf("WRITE: %v", errno)
		}
	}

	f.err = backends.ErrUnsettled
	reading := k.send(read)
	k.silent()
	f.answers(backends.ErrWouldBlock)
	if errno, _ := k.answer(reading); errno != syscall.EAGAIN || f.recalls != 1 {
		t.Errorf("READ with nothing there: %v, %d tries given up", errno, f.recalls)
	}
	f.err = backends.ErrUnsettled
	reading = k.send(read)
	f.answers(nil)
	if errno, answer := k.answer(reading); errno != 0 || string(answer) != "far" {
		t.Errorf("READ: %v %q", errno, answer)
	}
}

// TestBehindOneThatWaits: a request that must not wait stands behind one whose answer is
// on its way, and is refused when that one has to wait.
func TestBehindOneThatWaits(t *testing.T) {
	k := newKernel(t)
	f, _, read := k.far()
	patient := append([]byte(nil), read...)
	as[fuse.ReadIn](patient).Flags &^= syscall.O_NONBLOCK
	waiting, behind := k.send(patient), k.send(read)
	also := k.send(append([]byte(nil), patient...))
	k.silent()
	f.answers(backends.ErrWouldBlock)
	if errno, _ := k.answer(behind); errno != syscall.EAGAIN {
		t.Errorf("READ that must not wait: %v", errno)
	}
	k.silent()
	if n := k.s.waiting.count(); n != 2 {
		t.Errorf("%d requests count as waiting, want 2", n)
	}
	f.answers(nil)
	for _, unique := range []uint64{waiting, also} {
		if errno, answer := k.answer(unique); errno != 0 || string(answer) != "far" {
			t.Errorf("READ: %v %q", errno, answer)
		}
	}
}

// TestInterruptUnsettled: an interrupt takes back what can be taken back, and leaves its end to what cannot.
// Who stands behind goes on.
func TestInterruptUnsettled(t *testing.T) {
	k := newKernel(t)
	f, write, _ := k.far()

	writing, behind := k.send(write), k.send(write)
	f.too = true
	k.interrupt(writing)
	k.silent()
	k.interrupt(behind)
	if errno, _ := k.answer(behind); errno != syscall.EINTR || f.recalls != 1 {
		t.Errorf("WRITE that had not begun: %v, %d tries given up", errno, f.recalls)
	}
	f.answers(nil)
	if errno, _ := k.answer(writing); errno != 0 {
		t.Errorf("WRITE that was too late: %v", errno)
	}

	f.err, f.too = backends.ErrUnsettled, false
	writing, behind = k.send(write), k.send(write)
	f.err = nil // for the next
	k.interrupt(writing)
	if errno, _ := k.answer(writing); errno != syscall.EINTR || f.recalls != 2 {
		t.Errorf("WRITE that was taken back: %v, %d tries given up", errno, f.recalls)
	}
	if errno, _ := k.answer(behind); errno != 0 {
		t.Errorf("WRITE behind it: %v", errno)
	}
}
