package backends

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// A user whose directories take as many watches as one user may has no more
// of them followed; a removed one makes room.
func TestWatchBudget(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes directories for others")
	}
	w, _, at := watching(t)
	w.Watches = testBudget(Bounds{One: 2, All: Unbounded, Root: Unbounded})
	e := w.Subscribe(func([]Attr) bool { return true }, false)
	defer e.Close()
	told := func() string {
		w.read()
		buf := make([]byte, 1<<14)
		n, _, err := e.TryRead(buf)
		if err != nil && err != ErrWouldBlock {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	mkdir := func(name string) {
		t.Helper()
		w.reading.Lock() // until it is its owner's
		defer w.reading.Unlock()
		if err := errors.Join(os.Mkdir(at+"/"+name, 0755), os.Chown(at+"/"+name, 1000, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	followed := func(name string) bool {
		t.Helper()
		told()
		n++
		file := fmt.Sprintf("%s/x%d", name, n)
		if err := os.WriteFile(at+"/"+file, nil, 0600); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(told(), "shm/"+file)
	}
	for _, d := range []string{"a", "a/b", "c"} {
		mkdir(d)
		told()
	}
	if !followed("a") || !followed("a/b") || followed("c") || w.Watches.Used(1000) != 2 {
		t.Errorf("two of three are to be followed; %d are counted", w.Watches.Used(1000))
	}
	if err := os.Mkdir(at+"/roots", 0755); err != nil || !followed("roots") {
		t.Errorf("root's is followed: %v", err)
	}
	if err := os.Rename(at+"/a", at+"/d"); err != nil || !followed("d") || w.Watches.Used(1000) != 2 {
		t.Errorf("under another name: %v, %d are counted", err, w.Watches.Used(1000))
	}
	if err := os.RemoveAll(at + "/d"); err != nil {
		t.Fatal(err)
	}
	told()
	if w.Watches.Used(1000) != 0 {
		t.Errorf("removed, still counted: %d", w.Watches.Used(1000))
	}
	mkdir("e")
	if told(); !followed("e") {
		t.Error("there is room for it")
	}
}
