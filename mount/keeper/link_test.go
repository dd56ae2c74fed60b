package keeper

import (
	"os"
	"sync/atomic"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// newLinks are both ends of a link.
func newLinks(t *testing.T) (ours, theirs *Link) {
	t.Helper()
	ours, end, err := newLink()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	theirs = &Link{f: end}
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

// A worker hears what it was told last at the end: also when it does not hear for a while, and the link has
// no room. Whoever tells it does not wait.
func TestPostInOrder(t *testing.T) {
	ours, theirs := newLinks(t)
	device, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	const many = 2000 // of which the link has room for some hundred
	var list []message
	for n := range uint64(many) {
		list = append(list, message{word: "kept", number: n, text: string(make([]byte, maxText)), fd: -1})
	}
	list = append(list, message{word: "device", number: many, fd: int(device.Fd())})
	ours.post(list...)
	for n := range uint64(9) {
		ours.post(message{word: "upgrade", number: many + 1 + n, fd: -1})
	}
	for n := range uint64(many + 10) {
		m, err := theirs.receive()
		if err != nil || m.number != n || m.fd >= 0 != (m.word == "device") {
			t.Fatalf("%d: %d %q, descriptor %d, %v", n, m.number, m.word, m.fd, err)
		}
		if m.fd >= 0 {
			_ = os.NewFile(uintptr(m.fd), "device").Close()
		}
	}
}

// Nothing is left of what was posted to one that has ended.
func TestPostToNobody(t *testing.T) {
	ours, theirs, err := newLink()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	theirs.Close()
	ours.post(message{word: "upgrade", fd: -1}, message{word: "go", fd: -1})
	if ours.queue != nil {
		t.Errorf("%d messages wait", len(ours.queue))
	}
}

// What is posted goes behind what waits, though there is room for it by now.
func TestPostBehind(t *testing.T) {
	ours, theirs := newLinks(t)
	ours.queue = []message{{word: "go", number: 0, fd: -1}} // and whoever is to send it has not come to it yet
	ours.post(message{word: "go", number: 1, fd: -1})
	ours.sendPosted()
	for n := range uint64(2) {
		if m, err := theirs.receive(); err != nil || m.number != n {
			t.Fatalf("%d: %d, %v", n, m.number, err)
		}
	}
	if ours.queue != nil {
		t.Errorf("%d messages wait", len(ours.queue))
	}
}

// failing has the next n tries to send anything over a link fail.
func failing(l *Link, err error, n int32) {
	var tries atomic.Int32
	l.fails = func() error {
		if tries.Add(1) <= n {
			return err
		}
		return nil
	}
}

// TestNoMemoryForLink: what the kernel has no memory for now is sent later, in order, by a keeper and by a
// worker.
func TestNoMemoryForLink(t *testing.T) {
	hears := func(l *Link, by, word string) {
		t.Helper()
		for n := uint64(1); n <= 2; n++ {
			if m, err := l.receive(); err != nil || m.word != word || m.number != n {
				t.Fatalf("from a %s, %d: %q %d, %v", by, n, m.word, m.number, err)
			}
		}
	}
	for _, failure := range []error{unix.ENOBUFS, unix.ENOMEM, unix.ETOOMANYREFS} {
		s, keeper := newSafe(t)
		failing(keeper.link, failure, 3)
		keeper.link.post(message{word: "go", number: 1, fd: -1}, message{word: "go", number: 2, fd: -1})
		hears(s.link, "keeper", "go")
		failing(s.box, failure, 3)
		failing(s.link, failure, 9)
		go func() {
			_, _ = keeper.link.receive()
			s.dropped(2)
		}()
		s.Drop(1, backends.CloseLater)
		s.Drop(2, backends.CloseFirst)
		s.mu.Lock()
		if s.deaf {
			t.Errorf("%v: the keeper was not called", failure)
		}
		s.mu.Unlock()
		hears(keeper.box, "worker", "drop")
		failing(s.box, failure, 3)
		s.Keep(1, int(keeper.box.f.Fd()))
		s.Keep(2, int(keeper.box.f.Fd()))
		hears(keeper.box, "worker", "keep")
	}
}
