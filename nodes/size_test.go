package nodes

import (
	"strings"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

// The size of a control file is one page, or as many as its text took last; how many of those are
// remembered is bounded.
func TestSizes(t *testing.T) {
	var all sizes
	file := func(n uint64) *size {
		key := textKey{Part: Part{Kind: "queues", Name: "status"}}
		key.of.Ino = n
		return &size{&all, key}
	}
	one, other := file(1), file(2)
	for _, c := range []struct {
		length int
		want   int64
	}{{0, 4096}, {300, 4096}, {4080, 4096}, {4081, 8192}, {8192, 12288}, {100, 4096}} {
		one.note(c.length)
		if got := one.told(0); got != c.want {
			t.Errorf("a text of %d bytes: %d", c.length, got)
		}
	}
	one.note(10000)
	if got := other.told(0); got != 4096 {
		t.Errorf("another file: %d", got)
	}
	if got := one.told(20000); got != 20480 {
		t.Errorf("with 20000 bytes to come: %d", got)
	}
	for n := range uint64(2 * sizesKept) {
		file(n).note(5000)
	}
	if len(all.pages) != sizesKept {
		t.Errorf("%d are remembered", len(all.pages))
	}
	if none := (*size)(nil); none.told(9) != 0 {
		t.Error("no size is told")
	}
}

// fixedText is the face of a text that stays as it is.
type fixedText string

func (s fixedText) Next(backends.Endpoint, []byte, int) ([]byte, error) { return []byte(s), nil }
func (fixedText) Put(backends.Endpoint, []byte) (int, error)            { return 0, nil }

// A text can be read from anywhere: programs that believe its size look at its end first.
func TestTextFromItsEnd(t *testing.T) {
	long := fixedText(strings.Repeat("line\n", 2000))
	open := func() *File { return NewFile(long, &port{}, ReadText) }
	f, buf := open(), make([]byte, 1<<16)
	for _, c := range []struct {
		off  int64
		want fixedText
	}{{8192, long[8192:]}, {4096, long[4096:]}, {10000, ""}, {20000, ""}} {
		if n, err := f.Read(buf, len(buf), c.off); err != nil || string(buf[:n]) != string(c.want) {
			t.Errorf("read at %d: %d bytes, %v", c.off, n, err)
		}
	}
	if n, err := open().Read(buf, len(buf), 20000); n != 0 || err != nil {
		t.Errorf("first read beyond the end: %d, %v", n, err)
	}
}
