package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLogQuotes: what strangers choose makes one line that can be printed, in either format.
func TestLogQuotes(t *testing.T) {
	name := "a\nlevel=ERROR msg=forged\x1b[2J\u202e\xff"
	for _, format := range logFormats {
		var b bytes.Buffer
		newLog(&b, slog.LevelInfo, format).With("name", name).
			Warn(name, "err", fmt.Errorf("open: %w", errors.New(name)), "moved", []string{name}, "n", 3)
		line := b.String()
		if strings.Count(line, "\n") != 1 || strings.ContainsAny(line, "\x1b\u202e") ||
			strings.Contains(line, "\xff") {
			t.Errorf("%s: %q", format, line)
		}
		if n := strings.Count(line, "a%0Alevel=ERROR msg=forged%1B[2J%E2%80%AE%FF"); n != 4 {
			t.Errorf("%s: the name is there %d times: %s", format, n, line)
		}
		if format == "json" && json.Unmarshal(b.Bytes(), &map[string]any{}) != nil {
			t.Errorf("no JSON: %s", line)
		}
	}
}

// TestLogJournal: the journal is given priorities and no time; nobody else is.
func TestLogJournal(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/journal")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	newLog(f, slog.LevelInfo, "text").Info("no journal")
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	log := newLog(f, slog.LevelDebug, "text")
	log.Debug("one")
	log.With("a", 1).WithGroup("g").Info("two", "b", 2)
	log.Warn("three", "time", "now")
	log.Error("four")
	newLog(f, slog.LevelWarn, "json").Error("five")
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	want := "<7>level=DEBUG msg=one\n<6>level=INFO msg=two a=1 g.b=2\n<4>level=WARN msg=three time=now\n" +
		"<3>level=ERROR msg=four\n<3>{\"level\":\"ERROR\",\"msg\":\"five\"}\n"
	if rest != want || !strings.HasPrefix(first, "time=") {
		t.Errorf("%s\n%s\nwant\n%s", first, rest, want)
	}
}
