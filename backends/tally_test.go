package backends

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A count is right at once, whoever changed what and how shortly before, and does not list again what did
// not change.
func TestTally(t *testing.T) {
	name := t.TempDir()
	d, err := OpenDir(name)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var tally Tally
	count := func(want int) {
		t.Helper()
		n, err := tally.Count(d, func(typ uint32) bool { return typ == unix.S_IFREG })
		if err != nil || n != want {
			t.Fatalf("%d objects, %v; there are %d", n, err, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	settle := func(dir string) { // as if nothing had happened there for a while
		old := time.Now().Add(-time.Hour)
		must(os.Chtimes(name+dir, old, old))
	}
	count(0)
	for i := range 300 { // many in one tick of the file system's clock
		must(os.WriteFile(fmt.Sprint(name, "/", i), nil, 0600))
		count(i + 1)
	}
	must(os.MkdirAll(name+"/a/b", 0700))
	must(unix.Mkfifo(name+"/a/fifo", 0600))
	must(os.WriteFile(name+"/a/b/c", nil, 0600))
	count(301)
	for _, dir := range []string{"", "/a", "/a/b"} {
		settle(dir)
	}
	count(301)
	if len(tally.kept) != 3 {
		t.Errorf("%d directories of 3 are kept in mind", len(tally.kept))
	}
	for range 3 { // after a while too, and below
		must(os.WriteFile(name+"/a/b/d", nil, 0600))
		count(302)
		must(os.Remove(name + "/a/b/d"))
		count(301)
		settle("/a/b")
		count(301)
	}
	must(os.Rename(name+"/a/b/c", name+"/a/c"))
	count(301)
	must(os.RemoveAll(name + "/a"))
	count(300)
	if len(tally.kept) != 0 { // the only one left was modified just now
		t.Errorf("%d directories are kept in mind", len(tally.kept))
	}
}
