package nats

import (
	"errors"
	"testing"
	"time"
)

// TestOwners: a name is looked up once in a while; a number stands for itself, and what is neither for
// nobody.
func TestOwners(t *testing.T) {
	var o owners
	looks := 0
	look := func(name string) (string, error) {
		looks++
		if name == "alice" {
			return "1000", nil
		}
		return "", errors.New("unknown")
	}
	for _, c := range []struct {
		name string
		n    uint32
		ok   bool
	}{{"alice", 1000, true}, {"alice", 1000, true}, {"1001", 1001, true}, {"bob", 0, false}, {"", 0, false}} {
		if n, ok := o.number(c.name, look); n != c.n || ok != c.ok {
			t.Errorf("%s is %d %v", c.name, n, ok)
		}
	}
	if looks != 3 {
		t.Errorf("looked up %d times", looks)
	}
	o.since = time.Now().Add(-2 * ownersPeriod)
	if o.number("alice", look); looks != 4 {
		t.Errorf("looked up %d times", looks)
	}
}
