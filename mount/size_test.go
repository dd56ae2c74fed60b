package mount

import (
	"testing"
	"unsafe"
)

// TestSmall: what a reader who waits takes does not grow unnoticed. 10,000 of them may wait (docs/reach.md).
func TestSmall(t *testing.T) {
	for _, one := range []struct {
		what       string
		size, most uintptr
	}{
		{"open file", unsafe.Sizeof(openFile{}), 48},
		{"gate", unsafe.Sizeof(gate{}), 144},
		{"read that waits", unsafe.Sizeof(struct {
			parked
			reading
		}{}), 144},
	} {
		if one.size > one.most {
			t.Errorf("%s: %d bytes, at most %d wanted", one.what, one.size, one.most)
		}
	}
}
