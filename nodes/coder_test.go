package nodes

import "testing"

// TestShortRecord: a number has one form, the shortest.
func TestShortRecord(t *testing.T) {
	for _, b := range []string{"\x80\x00", "\x81\x00", "\x80", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"} {
		var n uint64
		if err := Decode([]byte(b), func(c *Coder) { Number(c, &n) }); err != errRecord {
			t.Errorf("% x: %d, %v", b, n, err)
		}
	}
}
