package nodes

import (
	"syscall"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

// TestUnmake: an open that fails removes what it has made, and not what others have put in its place.
func TestUnmake(t *testing.T) {
	dir, err := backends.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	root := fifo{entry: entry{&folder{dir: dir, types: []uint32{syscall.S_IFIFO}}, Seen{}}}
	made := func(name string) Seen {
		s, err := root.Mknod(name, syscall.S_IFIFO, Owner{Mode: 0600})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one := made("f")
	if err := root.Rename("f", root, "g", 0, Caller{}); err != nil {
		t.Fatal(err)
	}
	made("f")
	Unmake(root, one, Caller{})
	if _, err := root.Find("f"); err != nil {
		t.Error("another's object is gone:", err)
	}
	one.Path = "g"
	Unmake(root, one, Caller{})
	if _, err := root.Find("g"); err != syscall.ENOENT {
		t.Error("what was made is still there:", err)
	}
}
