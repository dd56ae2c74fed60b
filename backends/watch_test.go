package backends

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

// watching is a watch of a directory at a path of its own, called shm.
func watching(t *testing.T) (w *Watch, dir *Dir, at string) {
	t.Helper()
	at = t.TempDir()
	dir, err := OpenDir(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	w, err = NewWatch(p, map[string]*Dir{"shm": dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, dir, at
}

// What happens in a new directory before the watch is there is told, each thing
// once, and nothing from before the subscription.
func TestWatchNewDirectory(t *testing.T) {
	w, dir, at := watching(t)
	touch := func(names ...string) (err error) {
		for _, name := range names {
			err = errors.Join(err, os.WriteFile(at+"/"+name, nil, 0600))
		}
		return err
	}
	w.reading.Lock() // the poller is slow
	if err := errors.Join(os.MkdirAll(at+"/old/er", 0700), touch("old/file")); err != nil {
		t.Fatal(err)
	}
	w.reading.Unlock()
	e := w.Subscribe(nil, true)
	defer e.Close()
	// a reader who is told only of what they may know of: here of all whose way is known
	other := w.Subscribe(func([]Attr) bool { return true }, false)
	defer other.Close()
	w.reading.Lock()
	if err := errors.Join(touch("old/new"), os.MkdirAll(at+"/a/b", 0700), touch("a/x", "a/b/y")); err != nil {
		t.Fatal(err)
	}
	w.reading.Unlock()
	w.read()
	if err := errors.Join(os.Remove(at+"/a/x"), touch("a/x")); err != nil {
		t.Fatal(err)
	}
	w.read()
	// What is made after there is a watch, and before the directory is listed, comes as an event, too.
	w.reading.Lock()
	if err := touch("a/b/z"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(at + "/a/b/y"); err != nil {
		t.Fatal(err)
	}
	w.add(watched{root: "shm", path: "a/b", dir: dir}, true)
	w.reading.Unlock()
	w.read()
	want := []string{"create shm/a/b/y\n", "create shm/a/b\n", "create shm/a/x\n", "create shm/a/x\n",
		"create shm/a\n", "create shm/old/new\n",
		"create shm/a/b/z\n", "remove shm/a/b/y\n",
		"remove shm/a/x\n"}
	slices.Sort(want)
	for who, e := range map[string]*Events{"who may know all": e, "another": other} {
		buf := make([]byte, 999)
		n, _, err := e.TryRead(buf)
		got := slices.Sorted(strings.Lines(string(buf[:n]))) // a directory is listed in no order
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v\n%s", who, err, buf[:n])
		}
	}
}
