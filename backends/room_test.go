package backends

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A room counts what is made, removed, replaced, linked and given away in its directories, and what is
// there when it begins.
func TestRoomCounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes files for others")
	}
	at := t.TempDir()
	dir, err := OpenDir(at)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	me := Owner{Uid: 1000, Gid: 1000, Mode: 0755}
	if _, err := dir.Mknod(Named("old"), unix.S_IFIFO, me); err != nil {
		t.Fatal(err)
	}
	r := NewRoom(at, dir)
	defer r.Close()
	check := func(what string, files, bytes int64) {
		t.Helper()
		if r.Files.Used(1000) != files || r.Bytes.Used(1000) != bytes {
			t.Errorf("%s: %d files and %d bytes, want %d and %d",
				what, r.Files.Used(1000), r.Bytes.Used(1000), files, bytes)
		}
		kept := [2]int64{r.Files.Used(1000), r.Bytes.Used(1000)}
		if r.count(); r.Files.Used(1000) != kept[0] || r.Bytes.Used(1000) != kept[1] {
			t.Errorf("%s: counted anew it is %d files and %d bytes, was %v",
				what, r.Files.Used(1000), r.Bytes.Used(1000), kept)
		}
	}
	check("at the start", 1, 0)
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	_, err1 := dir.Mkdir(Named("d"), me)
	_, err2 := dir.Mknod(Named("d/f"), unix.S_IFIFO, me)
	_, err3 := dir.MakeText(Named("t"), "text\n", me)
	must(err1, err2, err3)
	check("made", 4, 2*textBytes)
	if _, err := dir.Mknod(Named("old"), unix.S_IFIFO, me); err != unix.EEXIST {
		t.Error(err)
	}
	_, err = dir.Link(Ref{Path: "d/f"}, Named("hard"))
	must(err)
	check("linked", 5, 2*textBytes)
	must(dir.Rename(Named("hard"), Named("old"), 0), dir.Rename(Named("d/f"), Named("d/g"), 0),
		dir.Rename(Named("d/g"), Named("t"), unix.RENAME_EXCHANGE))
	check("replaced and exchanged", 4, 2*textBytes)
	_, err = dir.Mknod(Named("plain"), unix.S_IFREG, Owner{Uid: 1000, Gid: 1000, Mode: 0600 | PlainMark})
	must(err)
	check("a plain file", 5, 2*textBytes+PlainBytes)
	must(dir.Remove(Named("plain")))
	uid := uint32(1001)
	must(dir.Change(Ref{Path: "d/g"}, Change{Uid: &uid}))
	check("given away", 3, textBytes)
	must(dir.Remove(Named("d/g")), dir.Rmdir(Named("d")), dir.Remove(Named("t")))
	check("removed", 1, 0)
	if r.Files.Used(1001) != 0 || r.Bytes.Used(1001) != 0 {
		t.Errorf("another user: %d files, %d bytes", r.Files.Used(1001), r.Bytes.Used(1001))
	}
}

// The shares are of what is free and what users have already: they do not grow by taking.
func TestRoomShares(t *testing.T) {
	for _, x := range []struct{ free, users, one, all int64 }{
		{400, 0, 100, 200}, {300, 100, 100, 200}, {0, 10, 2, 5},
	} {
		if b := shareOf(x.free, x.users, maxFiles); b.One != x.one || b.All != x.all || b.Root != Unbounded {
			t.Errorf("%d free, %d taken: %+v", x.free, x.users, b)
		}
	}
	if b := shareOf(1<<40, 0, maxFiles); b.One != maxFiles {
		t.Errorf("of very much: %+v", b)
	}
}

// Nobody can make a count of the whole tree cost one descriptor for each level of it.
func TestRoomCountsDeep(t *testing.T) {
	at := t.TempDir()
	dir, err := OpenDir(at)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	deep := ""
	for i := range 60 {
		deep += fmt.Sprintf("/%d", i)
	}
	if err := os.MkdirAll(at+deep, 0700); err != nil {
		t.Fatal(err)
	}
	var before, most int
	before = openDescriptorsNow(t)
	n := 0
	dir.walk(func(*unix.Stat_t) bool {
		n++
		most = max(most, openDescriptorsNow(t)-before)
		return true
	})
	if n != 60 || most > 2 {
		t.Errorf("found %d, with %d descriptors", n, most)
	}
}

func openDescriptorsNow(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
