package tests

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// TestLookupTells: a stat of an object is one request, as what LOOKUP tells serves it. It serves no other
// call: what a native program does to the object is seen by the next fstat of whoever has it open, and by the
// next stat.
func TestLookupTells(t *testing.T) {
	tr := mountTree(t)
	const times = 100
	path, native := tr.mnt+"/shm/o", "/dev/shm/o"
	check(t, os.WriteFile(native, nil, 0600))
	size := func(of string, st *syscall.Stat_t, err error, want int64) {
		t.Helper()
		if err != nil || st.Size != want {
			t.Fatalf("%s: %v, %d bytes of %d", of, err, st.Size, want)
		}
	}
	var st syscall.Stat_t
	awaited(t, tr)
	before := awaited(t, tr)
	look := awaited(t, tr) - before // what it takes to ask
	for range times {
		size("stat", &st, syscall.Lstat(path, &st), 0)
	}
	if n := awaited(t, tr) - before - 2*look; n > times+10 {
		t.Errorf("%d requests for %d times stat", n, times)
	}
	for i := range int64(times) {
		fd, err := syscall.Open(path, syscall.O_RDWR, 0)
		check(t, errors.Join(err, os.Truncate(native, 3*i+1)))
		size("fstat of what was just opened", &st, syscall.Fstat(fd, &st), 3*i+1)
		check(t, os.Truncate(native, 3*i+2))
		size("stat", &st, syscall.Lstat(path, &st), 3*i+2)
		check(t, os.Truncate(native, 3*i+3))
		size("fstat after a stat", &st, syscall.Fstat(fd, &st), 3*i+3)
		check(t, syscall.Close(fd))
	}
	check(t, os.Remove(native))
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
