package main

import (
	"slices"
	"strings"
	"testing"
)

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		got, want string
		ok        bool
	}{
		{"hello\n", "hello\n", true},
		{"hello", "hello\n", false},
		{"-rw-r--r-- 1 root root 16 Nov 1 jobs\n", "-rw-r--r-- ... 16 ... jobs\n", true},
		{"a b\n", "a ...\n", true},
		{"a\nb\n", "a...\n", false},
		{"a\nb\nc\n", "a\n...\n", true},
		{"a\nb\nc\n", "...\nc\n", true},
		{"a\nb\n", "a\nb\n...\n", true},
		{"", "", true},
		{"more\n", "", false},
	} {
		if matches(c.got, c.want) != c.ok {
			t.Errorf("%q for %q", c.got, c.want)
		}
	}
}

func TestStep(t *testing.T) {
	s := step{title: "x", transcript: "\n$ echo one; echo two >&2\none\n...\n$ pwd\n/\n" +
		"$ if true\n> then echo x; fi\nx\n$ wait\n"}
	want := []line{
		{"echo one; echo two >&2", "one\n...\n"}, {"pwd", "/\n"},
		{"if true\nthen echo x; fi", "x\n"}, {"wait", ""},
	}
	if got := s.lines(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	var out strings.Builder
	shown := "   $ echo one; echo two >&2\n   one\n   two\n   $ pwd\n   /\n" +
		"   $ if true\n   > then echo x; fi\n   x\n   $ wait\n"
	if !s.show(&out, "/") || out.String() != shown {
		t.Errorf("%s", out.String())
	}
	for _, bad := range []string{"$ echo a\nb\n", "$ echo a\n", "$ exit 0\n$ echo a\na\n", "$ if\n"} {
		out.Reset()
		if (step{transcript: bad}).show(&out, "/") || !strings.Contains(out.String(), "!! ") {
			t.Errorf("%q:\n%s", bad, out.String())
		}
	}
}

// A shell can parse every step, and no command is lost between the lines.
func TestSteps(t *testing.T) {
	for _, s := range steps {
		if len(s.lines()) == 0 || strings.Count(s.transcript, "$ ") < len(s.lines()) {
			t.Errorf("%s: %q", s.title, s.lines())
		}
		for _, l := range s.lines() {
			if out, err := shell("sh -n <<'SCRIPT'\n"+l.command+"\nSCRIPT\n", "/"); err != nil || out != "" {
				t.Errorf("%s: %v %s", l.command, err, out)
			}
		}
	}
}
