package backends

import (
	"bytes"
	"testing"
)

// TestFill: all of it, and nothing beyond.
func TestFill(t *testing.T) {
	for n := range 1030 {
		p := bytes.Repeat([]byte{1}, n+16)
		fill(p[8:8+n], 0xfa)
		want := append(append(bytes.Repeat([]byte{1}, 8), bytes.Repeat([]byte{0xfa}, n)...), bytes.Repeat([]byte{1}, 8)...)
		if !bytes.Equal(p, want) {
			t.Fatalf("%d bytes: %x", n, p)
		}
	}
}
