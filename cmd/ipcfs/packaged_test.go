package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPackaged holds that what is packaged is what the tables make.
func TestPackaged(t *testing.T) {
	files := map[string]string{
		"man/ipcfs.1": manual1(), "man/ipcfs.5": manual5(), "completions/ipcfs.bash": completions["bash"],
		"completions/_ipcfs": completions["zsh"], "completions/ipcfs.fish": completions["fish"],
	}
	for name, text := range files {
		name = "../../packaging/" + name
		if *update {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if is, err := os.ReadFile(name); err != nil || string(is) != text {
			t.Errorf("%s is not what the tables make (go test -update ./cmd/ipcfs): %v", name, err)
		}
	}
}

func TestCandidates(t *testing.T) {
	for line, want := range map[string]string{
		"st": "status", "mount --ms": "--msgsize", "ls --so": "--sort", "help verb": "verbs",
		"completion z": "zsh", "zz": "",
	} {
		words := strings.Fields(line)
		if got := candidates(words); strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if all := candidates(nil); !slices.Contains(all, "umount") || slices.Contains(all, "_look") {
		t.Errorf("%q", all)
	}
}

func TestAbout(t *testing.T) {
	for word, want := range map[string]string{
		"maxmsg": "--maxmsg N", "verbs": "drain", "lease": "max_tries", "queues": "next@TIME",
		"RLIMIT_MSGQUEUE": "ulimit -q",
	} {
		if text := about(word); !strings.Contains(text, want) {
			t.Errorf("help %s has no %q:\n%s", word, want, text)
		}
	}
	if text := about("frobnicate"); text != "" {
		t.Errorf("%s", text)
	}
}
