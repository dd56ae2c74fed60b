package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A log keeps its last lines, and never takes more than twice maxLog.
func TestLogFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "ipcfs.log")
	line := []byte(strings.Repeat("x", 999) + "\n")
	var wrote int
	for range 3 { // as three daemons do, one after the other
		l, err := openLog(name)
		if err != nil {
			t.Fatal(err)
		}
		away := filepath.Dir(name) + "-away"
		if err := os.Rename(filepath.Dir(name), away); err != nil { // no name is looked up any more
			t.Fatal(err)
		}
		for range maxLog / len(line) / 2 {
			if n, err := l.Write(line); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
			wrote += len(line)
		}
		if err := errors.Join(l.Close(), os.Rename(away, filepath.Dir(name))); err != nil {
			t.Fatal(err)
		}
	}
	now, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(name + ".old")
	if err != nil {
		t.Fatal(err)
	}
	if len(now) > maxLog || len(old) > maxLog || len(now)+len(old) != wrote {
		t.Errorf("%d bytes were written; the log has %d, the old one %d", wrote, len(now), len(old))
	}
	if !bytes.HasSuffix(old, line) || !bytes.HasPrefix(now, line) {
		t.Error("a line was cut")
	}
}
