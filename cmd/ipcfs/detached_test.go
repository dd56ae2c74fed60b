package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

// TestDetachedNamed: whoever calls a process a daemon at some place has doctor print one line of it, and
// advise nothing that does anything else.
func TestDetachedNamed(t *testing.T) {
	sh, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Skip(err)
	}
	program := filepath.Join(t.TempDir(), "ipcfs-sh")
	if err := os.WriteFile(program, sh, 0700); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(t.TempDir(), "x; touch here\nok    all is well\x1b[2J")
	fake := exec.Command(program, "-c", "echo begun; read line", "--foreground", at)
	in, err := fake.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := fake.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := fake.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = fake.Wait()
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	list := checkDetached(at)
	if len(list) != 1 {
		t.Fatalf("it is not found: %+v", list)
	}
	var text strings.Builder
	if err := printFindings(&text, list); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text.String(), "\n")
	if len(lines) != 3 || strings.Contains(text.String(), "\x1b") {
		t.Errorf("%q", lines)
	}
	if want := "      ipcfs umount --force " + backends.Quote(at); lines[1] != want {
		t.Errorf("%q, want %q", lines[1], want)
	}
}
