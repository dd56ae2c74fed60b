package backends

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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

// What is moved to where nobody looks has gone, and what is moved from there is new. What nobody told the end
// of does not pile up.
func TestWatchMovedAway(t *testing.T) {
	w, _, at := watching(t)
	away := t.TempDir()
	e := w.Subscribe(nil, true)
	defer e.Close()
	if err := errors.Join(os.MkdirAll(at+"/d/e", 0700), os.WriteFile(at+"/x", nil, 0600)); err != nil {
		t.Fatal(err)
	}
	w.read()
	moved := errors.Join(os.Rename(at+"/x", away+"/x"), os.WriteFile(at+"/x", nil, 0600),
		os.Rename(at+"/d", away+"/d"))
	w.read()
	w.read()
	moved = errors.Join(moved, os.WriteFile(away+"/d/e/nobodys", nil, 0600), os.Rename(at+"/x", at+"/y"))
	w.read()
	moved = errors.Join(moved, os.Rename(away+"/d", at+"/back"))
	w.read()
	for range 200 {
		moved = errors.Join(moved, os.WriteFile(at+"/one", nil, 0600), os.Rename(at+"/one", away+"/one"))
	}
	w.reading.Lock()
	most := len(w.moves)
	w.reading.Unlock()
	w.read()
	if most = max(most, len(w.moves)); moved != nil || most > maxMoves {
		t.Errorf("%d halves of renames are kept, %v", most, moved)
	}
	w.read()
	w.reading.Lock()
	defer w.reading.Unlock()
	if len(w.moves) > 0 || len(w.dirs) != 3 {
		t.Errorf("%d halves are left, %d directories are followed", len(w.moves), len(w.dirs))
	}
	buf := make([]byte, maxEvents)
	n, _, err := e.TryRead(buf)
	text, _, _ := strings.Cut(string(buf[:n]), "create shm/one\n")
	want := "create shm/d\ncreate shm/d/e\ncreate shm/x\nremove shm/x\ncreate shm/x\nremove shm/d\n" +
		"rename shm/x shm/y\ncreate shm/back\ncreate shm/back/e\ncreate shm/back/e/nobodys\n"
	if err != nil || sorted(text) != sorted(want) {
		t.Errorf("told %q, %v", text, err)
	}
}

// sorted are the lines of a text in an order that does not depend on that of directories.
func sorted(text string) string {
	lines := strings.SplitAfter(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// TestWatchOverflow: when the kernel had no room for events, the directories of that time are followed from
// then on, and those that have gone are not.
func TestWatchOverflow(t *testing.T) {
	w, _, at := watching(t)
	if err := errors.Join(os.Mkdir(at+"/old", 0700), os.WriteFile(at+"/a", nil, 0600)); err != nil {
		t.Fatal(err)
	}
	w.read()
	w.reading.Lock()
	for range Sysctl("fs/inotify/max_queued_events")/4 + 2 {
		if err := errors.Join(unix.Rename(at+"/a", at+"/b"), unix.Rename(at+"/b", at+"/a")); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(os.Remove(at+"/old"), os.Mkdir(at+"/new", 0700))
	w.reading.Unlock()
	w.read()
	e := w.Subscribe(nil, true)
	defer e.Close()
	err = errors.Join(err, os.WriteFile(at+"/new/x", nil, 0600))
	w.read()
	buf := make([]byte, maxEvents)
	n, _, e2 := e.TryRead(buf)
	if text := string(buf[:n]); err != nil || e2 != nil || text != "create shm/new/x\n" {
		t.Errorf("told %q, %v %v", text, err, e2)
	}
	w.reading.Lock()
	defer w.reading.Unlock()
	if len(w.dirs) != 2 {
		t.Errorf("%d directories are followed", len(w.dirs))
	}
}
