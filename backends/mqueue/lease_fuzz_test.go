package mqueue

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzLeaseRecord holds that a file of a lease is read as a message that a queue can take, or refused, and
// that what is read is what was written.
func FuzzLeaseRecord(f *testing.F) {
	whole := fmt.Sprintf(recordFormat, 7, 2, 5, 123, 0, 1000, "job\n\"s")
	for _, s := range []string{"", "\n", whole + "hello", whole + "hell", whole, "prio=2 tries=4\nold",
		"prio=99999 tries=1\nx", "prio=-1 tries=1\n",
		"prio=1 tries=1 len=1 ino=1 owner=1 uid=1 queue=\"a\nx"} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { unix.Close(fd) })
	f.Fuzz(func(t *testing.T, text []byte) {
		name := fmt.Sprint("lease", os.Getpid())
		if err := os.WriteFile(filepath.Join(dir, name), text, 0600); err != nil {
			t.Fatal(err)
		}
		one, err := readRecord(fd, name)
		if err != nil {
			if !errors.Is(err, errRecord) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if one.Meta.Prio >= PrioMax || len(one.Data) > len(text) {
			t.Fatalf("%q: %+v", text, one)
		}
		again := fmt.Appendf(nil, recordFormat, one.Meta.Prio, one.Tries, len(one.Data), one.ino, one.owner,
			one.uid, one.queue)
		if err := os.WriteFile(filepath.Join(dir, name), append(again, one.Data...), 0600); err != nil {
			t.Fatal(err)
		}
		two, err := readRecord(fd, name)
		if err != nil || two.Meta != one.Meta || two.Tries != one.Tries || two.queue != one.queue ||
			two.uid != one.uid ||
			string(two.Data) != string(one.Data) {
			t.Fatalf("%q: %+v became %+v, %v", text, one, two, err)
		}
	})
}
