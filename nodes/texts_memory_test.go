package nodes

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

const longText = 4 << 20

// longTexts opens texts of longText bytes, each another one, until begin fails, no more than a hundred.
func longTexts(t *testing.T, e *Env, begin func(*File) error) (all []*File, err error) {
	var looks atomic.Int64
	c := TextControl("metrics", func() (string, error) {
		return fmt.Sprint(looks.Add(1)) + strings.Repeat(" ", longText), nil
	})
	for len(all) < 100 {
		f := e.shown(t, c, 1)
		t.Cleanup(func() { _ = f.Close() })
		if err := begin(f); err != nil {
			return all, err
		}
		all = append(all, f)
	}
	return all, nil
}

// until waits as a gate does for what is on its way.
func until(f *File, call func() error) error {
	for {
		err := call()
		if err != backends.ErrUnsettled {
			return err
		}
		woken := make(chan bool, 1)
		f.For().Arm(backends.In, func() { woken <- true })
		<-woken
	}
}

// TestTextMemory: texts that were read in part, and those that are held for who asked how long they are,
// count for their user and no more is held than one user may; of texts that were read whole nothing is held.
func TestTextMemory(t *testing.T) {
	one := make([]byte, 1)
	whole := make([]byte, longText+20)
	read := func(f *File, buf []byte, off int64) error {
		return until(f, func() error { _, err := f.Read(buf, len(buf), off); return err })
	}
	end := func(f *File) error {
		if err := read(f, whole, 0); err != nil {
			return err
		}
		return read(f, one, longText+20)
	}
	for name, begin := range map[string]func(*File) error{
		"read by one byte": func(f *File) error { return read(f, one, 0) },
		"asked for their length": func(f *File) error {
			return until(f, f.Measure)
		},
		"read whole": end,
		"read whole by who asked": func(f *File) error {
			if err := until(f, f.Measure); err != nil {
				return err
			}
			return end(f)
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := textEnv(t)
			all, err := longTexts(t, e, begin)
			if name == "read by one byte" {
				if err != syscall.ENOBUFS || len(all) != maxHeld/longText-1 {
					t.Errorf("%d: %v", len(all), err)
				}
			} else if err != nil {
				t.Errorf("%d: %v", len(all), err)
			}
			if n := e.Heap.Used(1); n > maxHeld {
				t.Errorf("%d bytes are counted", n)
			}
			runtime.GC()
			var have runtime.MemStats
			runtime.ReadMemStats(&have)
			if have.HeapAlloc > maxHeld+4*longText {
				t.Errorf("%d bytes are held", have.HeapAlloc)
			}
			for _, f := range all {
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			}
			if n := e.Heap.Used(1); n != 0 {
				t.Errorf("%d bytes are counted when all are closed", n)
			}
		})
	}
}

// TestTextAgain: who asks how long a text is and reads no more than that, from whatever offset, may read it
// from the beginning, once more if need be; then a read there waits until it has changed, as for all others.
func TestTextAgain(t *testing.T) {
	const text = "a\nb\nc\n"
	e := textEnv(t)
	c := TextControl("status", func() (string, error) { return text, nil })
	buf := make([]byte, 4096)
	for _, way := range []struct {
		asks bool
		do   string // reads: how many bytes, where, and what they get; !: they wait
	}{
		{true, "6@0=6 9@0=6 9@6=0 9@0=!"},
		{true, "6@0=6 6@0=6 6@0=!"},
		{true, "2@4=2 4@0=4 2@0=2 9@2=4 9@0=!"},
		{true, "9@2=4 9@0=6 9@0=!"},
		{true, "9@0=6 9@0=!"},
		{true, "6@0=6 9@6=0 9@0=!"},
		{false, "6@0=6 9@0=!"},
		{false, "2@0=2 9@0=!"},
	} {
		f := e.shown(t, c, 1)
		if way.asks {
			if err := until(f, f.Measure); err != nil {
				t.Fatal(err)
			}
		}
		for _, one := range strings.Fields(way.do) {
			var size, off int
			var want string
			if _, err := fmt.Sscanf(one, "%d@%d=%s", &size, &off, &want); err != nil {
				t.Fatal(err)
			}
			var n int
			err := until(f, func() (err error) { n, err = f.Read(buf, size, int64(off)); return err })
			got := fmt.Sprint(n)
			if err == backends.ErrWouldBlock {
				got, err = "!", nil
			}
			if err != nil || got != want || string(buf[:n]) != text[min(off, len(text)):][:n] {
				t.Errorf("%v: %s: %s %q %v", way, one, got, buf[:n], err)
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
