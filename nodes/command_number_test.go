package nodes

import (
	"math"
	"math/big"
	"strconv"
	"testing"
)

// FuzzNumbers: an option that is a number is what another reader of numbers takes it for, or refused.
func FuzzNumbers(f *testing.F) {
	for _, s := range []string{
		"", "0", "7", "-1", "+1", "0x10", "010", "0b11", "1_000", "0640", "07777", "010000", "2147483647", "2147483648",
		"4294967295", "4294967296", "99999999999999999999", " 1", "1e3", "9",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := Command{Verb: "x", Options: []Option{{"n", s}, {"mode", s}}}
		within := func(base int, min, max int64) (int64, bool) {
			n, ok := new(big.Int).SetString(s, base)
			if !ok || !n.IsInt64() || n.Int64() < min || n.Int64() > max {
				return 0, false
			}
			return n.Int64(), true
		}
		for _, min := range []int{0, 1, -5} {
			n, err := c.Int("n", 0, min)
			if want, ok := within(0, int64(min), math.MaxInt32); ok != (err == nil) || ok && int64(n) != want {
				t.Errorf("%q of at least %d is %d, %v", s, min, n, err)
			}
		}
		id, err := c.ID("n", 0)
		if err == nil {
			if want, ok := within(10, 0, math.MaxUint32); !ok || int64(id) != want {
				t.Errorf("%q is the user %d", s, id)
			}
		} else if n, e := strconv.Atoi(s); e == nil && s == strconv.Itoa(n) && n >= 0 && n <= math.MaxUint32 {
			t.Errorf("%q: %v", s, err)
		}
		mode, err := c.Mode(0)
		if err == nil {
			if want, ok := within(8, 0, 07777); !ok || int64(mode) != want {
				t.Errorf("%q is the mode %o", s, mode)
			}
		}
	})
}
