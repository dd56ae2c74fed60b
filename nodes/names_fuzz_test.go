package nodes

import (
	"io/fs"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ipcfs/ipcfs/backends/sysv"
)

// FuzzPath: a path in a text leads into its class and to one object, as those are that fs.ValidPath takes.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{
		"jobs", "a/b", "", ".", "..", "a/../b", "/a", "a/", "a//b", "a\x00", "\xff", "...", "a/.b",
		strings.Repeat("x", 256), strings.Repeat("a/", 2100) + "a", "größe",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		want := fs.ValidPath(strings.ToValidUTF8(path, "x")) && path != "." && !strings.Contains(path, "\x00") &&
			len(path) < 4096
		for _, part := range strings.Split(path, "/") {
			want = want && len(part) <= 255
		}
		if err := checkPath(path); (err == nil) != want {
			t.Errorf("%q (valid text: %v): %v", path, utf8.ValidString(path), err)
		}
	})
}

// FuzzNames: a name that a user looks up is that of a control file, a key or a host's address, or of none;
// what it is has that name again, or one that means the same.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{
		"prio/7", "prio/07", "prio/32768", "peek/3", "peek/-1", "next@1ms", "next@-1h", "next@", "0x51", "0x00000051",
		"type/3", "type/-3", "type/!3", "type/03", "since/7", "since/07", "lines@0", "records@x", "group/a", "group/",
		"group/a/b", "0", "7", "-1", "0x123456789", "tcp/localhost:80", "udp/[::1]:9",
		"tcp/:0", "tcp/*:7", "tcp/:", "tcp/[::1", "tcp/a\nb:1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, object := range []controller{
			queue{Queues: &Queues{}}, sysvQueue{SysV: &SysV{back: &sysv.Queues{}}}, topicEntry{all: &Topics{}},
		} {
			if c, err := object.Control(name); err == nil && c.Name != name {
				t.Errorf("%q is the control file %q of a %T", name, c.Name, object)
			}
		}
		id, err := sysvNames{private: true}.id(name, nil)
		if err == nil && sysvPath(sysv.Object{ID: id}) != "private/"+name {
			t.Errorf("%q is the object %d", name, id)
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
