package nodes

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// textEnv is an Env whose workers run.
func textEnv(t *testing.T) *Env {
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	e := NewEnv(p)
	t.Cleanup(func() {
		if err := e.CloseWorkers(); err != nil {
			t.Error(err)
		}
		p.Close()
	})
	return e
}

// shown opens a text of an object.
func (e *Env) shown(t *testing.T, c Control, object uint64) *File {
	open, err := c.show(e, e.Texts, textKey{Part: Part{Name: c.Name}, of: backends.ID{Ino: object}},
		readOnly, Caller{Uid: 1})
	if err != nil {
		t.Fatal(err)
	}
	return open.(*File)
}

// readText reads a text from its beginning, and waits as a gate does for what is on its way.
func readText(t *testing.T, f *File) (string, error) {
	t.Helper()
	buf := make([]byte, 4096)
	for {
		n, err := f.Read(buf, len(buf), 0)
		if err != backends.ErrUnsettled {
			return string(buf[:n]), err
		}
		woken := make(chan bool, 1)
		f.For().Arm(backends.In, func() { woken <- true })
		<-woken
	}
}

// TestTextForAll: what many read at the same time is made for all of them, not for each, and shows what was
// so when they asked.
func TestTextForAll(t *testing.T) {
	e := textEnv(t)
	var made, now atomic.Int64
	hold := make(chan bool)
	c := TextControl("status", func() (string, error) {
		n := now.Load()
		made.Add(1)
		<-hold
		return fmt.Sprint(n), nil
	})
	const files = 1000
	buf := make([]byte, 4096)
	woken := make(chan *File, files)
	ask := func() {
		f := e.shown(t, c, 1)
		if _, err := f.Read(buf, len(buf), 0); err != backends.ErrUnsettled {
			t.Fatal(err)
		}
		f.For().Arm(backends.In, func() { woken <- f })
	}
	ask()
	for made.Load() == 0 { // it has looked already
	}
	now.Store(1)
	for range files - 1 {
		ask()
	}
	close(hold)
	for i := range files {
		f := <-woken
		n, err := f.Read(buf, len(buf), 0)
		if got := string(buf[:n]); err != nil || got != "1" && (i > 0 || got != "0") {
			t.Fatalf("%q %v", got, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := made.Load(); n != 2 {
		t.Errorf("it was made %d times, want 2", n)
	}
	if len(e.Texts.open) > 0 {
		t.Errorf("%d texts are left", len(e.Texts.open))
	}
}

// TestTextWatched: all who wait for a text to change are told of a change by one look, and those who poll,
// too. One that nobody waits for any more is not looked at.
func TestTextWatched(t *testing.T) {
	e := textEnv(t)
	var made, now atomic.Int64
	c := TextControl("status", func() (string, error) {
		made.Add(1)
		return fmt.Sprint(now.Load()), nil
	})
	const files = 1000
	woken := make(chan *File, files)
	buf := make([]byte, 4096)
	var all []*File
	for i := range files {
		f := e.shown(t, c, 1)
		all = append(all, f)
		if _, err := readText(t, f); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if _, err := readText(t, f); err != backends.ErrWouldBlock {
				t.Fatal(err)
			}
		}
		f.Waiter().Arm(backends.In, func() { woken <- f })
	}
	before := made.Load()
	now.Store(1)
	for range files {
		f := <-woken
		if ready := f.Ready(); ready&backends.In == 0 {
			t.Fatal(ready)
		}
	}
	if n := made.Load() - before; n > files/10 {
		t.Errorf("%d looks for %d who wait", n, files)
	}
	n, err := all[0].Read(buf, len(buf), 0)
	if got := string(buf[:n]); got != "1" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	for _, f := range all {
		_ = f.Close()
	}
	for looked := true; looked; runtime.Gosched() {
		e.Texts.mu.Lock()
		looked = len(e.Texts.looks) > 0
		e.Texts.mu.Unlock()
	}
}

// TestTextPanics: a text that cannot be made is an error, not a wait for ever.
func TestTextPanics(t *testing.T) {
	e := textEnv(t)
	e.Work.TellPanics(func(any) {})
	f := e.shown(t, TextControl("status", func() (string, error) { panic("a fault of ours") }), 1)
	if _, err := readText(t, f); err != syscall.EIO {
		t.Error(err)
	}
	_ = f.Close()
}

// TestTextLookPanics: a user whose text could not be made while it was looked at is told of the next change.
func TestTextLookPanics(t *testing.T) {
	e := textEnv(t)
	e.Work.TellPanics(func(any) {})
	var now, faults atomic.Int64
	f := e.shown(t, TextControl("status", func() (string, error) {
		if faults.Add(-1) == 0 {
			panic("a fault of ours")
		}
		return fmt.Sprint(now.Load()), nil
	}), 1)
	changed := make(chan bool, 1)
	wait := func() {
		t.Helper()
		if _, err := readText(t, f); err != backends.ErrWouldBlock {
			t.Fatal(err)
		}
		f.For().Arm(backends.In, func() { changed <- true })
	}
	if got, err := readText(t, f); got != "0" || err != nil {
		t.Fatalf("%q %v", got, err)
	}
	faults.Store(2) // the read looks, then the daemon does
	wait()
	<-changed
	if _, err := readText(t, f); err != syscall.EIO {
		t.Fatal(err)
	}
	wait()
	now.Store(1)
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody looks any more")
	}
	_ = f.Close()
}

// TestTextRestless: a text that differs only in what changes as anybody looks is as good as the same, but
// is shown as it is.
func TestTextRestless(t *testing.T) {
	for _, text := range []string{
		"pid=7\nrequests=%[1]d\nrequests_unawaited=%[1]d\nobjects=%[2]d\n",
		`{"requests":%[1]d,"pid":7,"objects":%[2]d}`,
		"# TYPE ipcfs_daemon_requests_total counter\nipcfs_daemon_requests_total %[1]d\nipcfs_objects %[2]d\n",
	} {
		e := textEnv(t)
		var looks, objects atomic.Int64
		c := TextControl("status", func() (string, error) {
			return fmt.Sprintf(text, looks.Add(1), objects.Load()), nil
		})
		c.Restless = []string{"requests"}
		f := e.shown(t, c, 1)
		if got, err := readText(t, f); got != fmt.Sprintf(text, 1, 0) {
			t.Errorf("%q %v", got, err)
		}
		if got, err := readText(t, f); err != backends.ErrWouldBlock {
			t.Errorf("the same again: %q %v", got, err)
		}
		other := e.shown(t, c, 1)
		if got, err := readText(t, other); got != fmt.Sprintf(text, looks.Load(), 0) {
			t.Errorf("another file: %q %v", got, err)
		}
		woken := make(chan bool, 1)
		f.Waiter().Arm(backends.In, func() { woken <- true })
		objects.Store(1)
		<-woken
		_, _ = f.Close(), other.Close()
	}
}

// TestLookMeetsOrder: a look at a text that was ordered, and has waited for the worker that the look itself
// takes for longer than looks are apart, comes to its end.
func TestLookMeetsOrder(t *testing.T) {
	e := textEnv(t)
	f := e.shown(t, TextControl("status", func() (string, error) { return "x", nil }), 1)
	if _, err := readText(t, f); err != nil {
		t.Fatal(err)
	}
	all, text := e.Texts, f.end.(*Text)
	l := &looks{all: all, uid: 1, set: true}
	all.mu.Lock()
	all.looks[1] = l
	text.src.watching[text] = struct{}{}
	l.add(text.src)
	text.src.begun, text.src.looked = text.src.begun+1, time.Time{}
	all.mu.Unlock()
	next := make(chan *textSource)
	go func() { next <- l.next() }()
	select {
	case s := <-next:
		if s != nil {
			t.Error("the text is made twice at a time")
		}
	case <-time.After(10 * time.Second):
		panic("a look goes round and round, and nobody gets a text any more")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
