package nodes

import (
	"testing"
	"unsafe"
)

// TestSmall: what an open file takes that only waits does not grow unnoticed.
func TestSmall(t *testing.T) {
	for _, one := range []struct {
		what       string
		size, most uintptr
	}{
		{"file", unsafe.Sizeof(File{}), 176},
		{"what it needs for a ledger", unsafe.Sizeof(noting{}), 48},
		{"face", unsafe.Sizeof(queueFace{}), 32},
	} {
		if one.size > one.most {
			t.Errorf("%s: %d bytes, at most %d wanted", one.what, one.size, one.most)
		}
	}
}
