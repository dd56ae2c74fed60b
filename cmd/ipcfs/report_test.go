package main

import (
	"strings"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

// TestWithoutNames: a name is hidden to its end, and the text around it stays.
func TestWithoutNames(t *testing.T) {
	for text, want := range map[string]string{
		"write queues/jobs: message too long": "write queues/NAME1: message too long",
		"open queues/a:b,c: no":               "open queues/NAME1: no",
		"sockets/tcp/a.example:80, queues/x.": "sockets/NAME1, queues/NAME2.",
		"a shm/x, shm/y and shm/x":            "a shm/NAME1, shm/NAME2 and shm/NAME1",
		"path=queues/two%20words pid=7":       "path=queues/NAME1 pid=7",
		"/mnt/queues: 3":                      "/mnt/queues: 3",
	} {
		if got := withoutNames(text); got != want {
			t.Errorf("%s\n%s, want\n%s", text, got, want)
		}
	}
}

// FuzzWithoutNames: whatever an object is called, nothing of it is left of a line of err and one of the log.
func FuzzWithoutNames(f *testing.F) {
	for _, s := range []string{
		"jobs", "a:b", "a,b", "two words", "it's", "(x)", ":", "a/b:c", "tcp/host:80", "%", `"`, `\`, "ü",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if strings.Trim(name, ".:,") == "" {
			return // it tells nothing
		}
		got := withoutNames("T write queues/" + backends.Word(name) + ": message too long")
		// A name that ends in what ends a sentence leaves that.
		if rest, ok := strings.CutPrefix(got, "T write queues/NAME1"); !ok ||
			strings.TrimLeft(rest, ".:,") != " message too long" {
			t.Errorf("%q: %s", name, got)
		}
	})
}
