package backends

import (
	"encoding/json"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzParseAddress holds that String writes an address as ParseAddress has read it, and that what listens names no host.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"localhost:80", "[::1]:80", "[fe80::1%eth0]:9", ":0", "*:8080", "127.0.0.1:65535", "host:080", "[]:1", "a b:80",
		"::1:80", "[127.0.0.1]:80", "-a:80", "my_host-1.a.:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, typ := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM} {
			a, err := ParseAddress(typ, s)
			if err != nil {
				continue
			}
			again, err := ParseAddress(typ, a.String())
			if err != nil || again != a || a.String() != s {
				t.Fatalf("%q became %+v, %q, and then %+v, %v", s, a, a, again, err)
			}
			if a.Listens() && len(a.own()) == 0 || !a.Listens() && a.Port == 0 {
				t.Fatalf("%q is %+v", s, a)
			}
		}
	})
}

// FuzzTopicRules holds that whatever is in the file of a topic, its rules are good, and that they are kept as they are.
func FuzzTopicRules(f *testing.F) {
	for _, r := range []Rules{DefaultRules, {Slow: Block, Depth: 1, Keep: 9, Bytes: 1 << 20, Retain: true}, {Slow: Cut, Depth: -1}} {
		text, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text) + "\n")
	}
	for _, s := range []string{"", "{}", "null", `{"Depth":1e3}`, `{"Bytes":99999999999999999999}`, "{\"Slow\":\"cut\"}\nmore"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := rulesIn(text)
		if err := r.Check(); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		kept, err := json.Marshal(r)
		if again := rulesIn(string(kept) + "\n"); err != nil || again != r {
			t.Fatalf("%q: %+v became %+v, %v", text, r, again, err)
		}
	})
}
