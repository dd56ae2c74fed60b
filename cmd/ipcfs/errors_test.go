package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// notAnswered are the errnos in the code that no program gets of the tree: what the kernel says to the
// daemon, which makes another one of it, or tries something else.
var notAnswered = strings.Fields("E2BIG ECANCELED EINPROGRESS ENETDOWN ENODATA ENONET ENOPROTOOPT ENOSYS EPROTO " +
	"EPROTOTYPE ERANGE ERESTART ETOOMANYREFS")

// TestErrors holds that each errno in the code is in the table of errors, and that help knows it by each of
// its names.
func TestErrors(t *testing.T) {
	errno := regexp.MustCompile(`\b(?:syscall|unix)\.(E[A-Z0-9]+)\b`)
	for _, dir := range []string{"nodes", "fs", "mount", "backends"} {
		err := filepath.WalkDir("../../"+dir, func(name string, _ fs.DirEntry, err error) error {
			if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			text, err := os.ReadFile(name)
			for _, found := range errno.FindAllStringSubmatch(string(text), -1) {
				word := found[1]
				known := slices.ContainsFunc(errorRows(), func(row []string) bool { return mentions(row[:1], word) })
				constant := strings.HasPrefix(word, "EPOLL") || strings.HasPrefix(word, "EFD")
				if !known && !constant && !slices.Contains(notAnswered, word) {
					t.Errorf("%s: %s is not in the table of errors", name, word)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range errorRows()[1:] {
		name, _, _ := strings.Cut(row[0], ",")
		for _, word := range []string{name, strings.ToLower(name), row[1], row[2]} {
			if text := about(word); !strings.Contains(text, row[0]) || !strings.Contains(text, "what to do") {
				t.Errorf("help %s: %q", word, text)
			}
		}
	}
}
