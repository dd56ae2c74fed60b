package keeper

import (
	"os"
	"testing"
)

// A worker hears what it was told last at the end: also when it does not hear for a while, and the link has no room.
// Whoever tells it does not wait.
func TestPostInOrder(t *testing.T) {
	ours, end, err := newLink()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	theirs := &Link{f: end}
	defer theirs.Close()
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
