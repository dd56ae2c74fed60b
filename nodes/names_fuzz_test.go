package nodes

import "testing"

// FuzzNames: a name that a user looks up is that of a control file, a key or a host's address, or of none; what it
// is has that name again, or one that means the same.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{
		"prio/7", "prio/07", "prio/32768", "peek/3", "peek/-1", "next@1ms", "next@-1h", "next@", "0x51", "0x00000051",
		"0x123456789", "tcp/localhost:80", "udp/[::1]:9", "tcp/:0", "tcp/*:7", "tcp/:", "tcp/[::1", "tcp/a\nb:1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if c, ok := (queue{Queues: &Queues{}}).Control(name); ok && c.Name != name {
			t.Errorf("%q is the control file %q", name, c.Name)
		}
		if key, ok := keyOf(name); ok {
			if again, ok := keyOf(keyName(key)); !ok || again != key {
				t.Errorf("%q is the key %d, whose name is %s", name, key, keyName(key))
			}
		}
		to, err := parseHost(name)
		if err != nil {
			return
		}
		if again, err := parseHost(name[:4] + to.String()); err != nil || again.String() != to.String() {
			t.Errorf("%q is %s, which is %s, %v", name, to.String(), again.String(), err)
		}
	})
}
