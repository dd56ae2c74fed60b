package mount

import (
	"bytes"
	"syscall"
	"testing"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
	"github.com/ipcfs/ipcfs/tests/ledgerfd"
	"golang.org/x/sys/unix"
)

// watched is an end whose place is asked for when what its file keeps is written down.
type watched struct {
	backends.Endpoint
	asked func()
}

// Place is Placer.Place.
func (w watched) Place() backends.Place { w.asked(); return backends.Place{Next: 1} }

// Resume is Placer.Resume.
func (watched) Resume(backends.Place) {}

func newLedger(t testing.TB) *backends.Ledger {
	t.Helper()
	fd := ledgerfd.New(t)
	l, err := backends.OpenLedger(fd)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestRise: killed before what a file keeps is written, a process leaves no answer that counts without it: a
// message would come twice.
func TestRise(t *testing.T) {
	l := newLedger(t)
	asked := 0
	d := l.Desk()
	file := nodes.NewFile(&nodes.Plain{}, watched{asked: func() {
		asked++
		if _, _, answer, saves := d.Of(); answer > 0 && !saves {
			t.Error("there is an answer that does not wait for what the file keeps")
		}
	}}, nodes.InOrder)
	file.Lasts(l, 1, backends.Record{})
	o := &openFile{fh: 1, file: file, gate: &gate{s: &Session{ledger: l}}}
	o.rise(o.sit(*d.Room(), 8), 3, nil)
	if _, step, answer, saves := d.Of(); asked == 0 || answer != headerSize+3 || !saves || file.Saved() != step {
		t.Errorf("asked %d times, answer of %d bytes, saves: %v, saved %d", asked, answer, saves, file.Saved())
	}
}

// TestPart: what is written of a part is what is read.
func TestPart(t *testing.T) {
	p := part{done: 1<<40 + 3, step: 1<<50 + 7}
	if b := p.in(nil); !bytes.Equal(b, nodes.Encode(p.code)) {
		t.Errorf("%x, but a record of it is %x", b, nodes.Encode(p.code))
	}
}

// TestInterruptAgain: a reader is killed, and the process that had begun with the INTERRUPT too. The next one
// ends the read, though the INTERRUPT is what was begun with, and comes before the read.
func TestInterruptAgain(t *testing.T) {
	const again = 1 << 63 // FUSE_UNIQUE_RESEND
	l := newLedger(t)
	k := kernelFor(t, l)
	_, read, _ := k.open(k.queue(), syscall.O_RDONLY)
	number := k.unique + 2
	k.unique = number
	d := l.Desk()
	d.Begin(number | 1)
	k.s.left = leftBehind{map[uint64]*backends.Desk{number | 1: d}, map[uint64]part{}}

	as[fuse.InHeader](read).Unique = again | number
	in := fuse.InterruptIn{Unique: again | number}
	in.InHeader.Unique = again | number | 1
	body := unsafe.Slice((*byte)(unsafe.Pointer(&in)), unsafe.Sizeof(in))
	for _, req := range [][]byte{request(&in.InHeader, opInterrupt, 0, body), read} {
		if _, err := unix.Write(k.dev, req); err != nil {
			t.Fatal(err)
		}
	}
	k.s.answerAgain(k.out)
	if errno, _ := k.answer(again | number); errno != syscall.EINTR {
		t.Errorf("the read: %v", errno)
	}
}
