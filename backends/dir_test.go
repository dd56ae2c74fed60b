package backends

import (
	"errors"
	"os"
	"os/signal"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSetTextKeepsTheOldOne: a text that cannot be written, or only in part, leaves the one before.
func TestSetTextKeepsTheOldOne(t *testing.T) {
	d, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	owner := Owner{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid()), Mode: 0600}
	if _, err := d.MakeText(Name{Base: "f"}, "the old one\n", owner); err != nil {
		t.Fatal(err)
	}
	// No file may be written to any more, or none beyond a part of a text (RLIMIT_FSIZE, setrlimit(2)).
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	for most, why := range map[uint64]error{0: unix.EFBIG, 16: unix.ENOSPC} {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: most, Max: before.Max}); err != nil {
			t.Fatal(err)
		}
		err = d.SetText(Ref{Path: "f"}, "new, and longer than that\n")
		if e := unix.Setrlimit(unix.RLIMIT_FSIZE, &before); e != nil {
			t.Fatal(e)
		}
		if text, _ := d.Text(Ref{Path: "f"}); !errors.Is(err, why) || text != "the old one\n" {
			t.Errorf("%d bytes: %v, and then it is %q", most, err, text)
		}
	}
	if err := d.SetText(Ref{Path: "f"}, "new\n"); err != nil {
		t.Fatal(err)
	}
	if text, _ := d.Text(Ref{Path: "f"}); text != "new\n" {
		t.Errorf("%q, want the new one", text)
	}
}

// TestFarTimes: a time that does not fit into 64 bits of nanoseconds is set as it is (utimensat(2)).
func TestFarTimes(t *testing.T) {
	fd, err := unix.MemfdCreate("far", unix.MFD_CLOEXEC) // tmpfs has room for it
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, year := range []int{1600, 2400} {
		at := time.Date(year, 1, 2, 3, 4, 5, 6, time.UTC)
		if err := Apply(fd, Change{Mtime: &at}); err != nil {
			t.Fatal(err)
		}
		if a, err := Fstat(fd); err != nil || !a.Mtime.Equal(at) {
			t.Errorf("%v, %v, want %v", a.Mtime, err, at)
		}
	}
}
