package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write the golden files")

// TestMain is ipcfs when ipcfs starts itself, see ipcfs().
func TestMain(m *testing.M) {
	if os.Args[0] == "ipcfs" {
		main()
	}
	os.Exit(m.Run())
}

func try(args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = execute(args, &out, &err)
	return status, out.String(), err.String()
}

func TestHelp(t *testing.T) {
	for _, c := range commands() {
		if !c.public() {
			continue
		}
		name := "testdata/help_" + c.name + ".txt"
		status, text, stderr := try(strings.Fields(c.name + " --help")...)
		if status != 0 || stderr != "" {
			t.Errorf("%s --help: %d %s", c.title(), status, stderr)
		}
		if *update {
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(name); err != nil || string(want) != text {
			t.Errorf("%s --help is not %s (go test ./cmd/ipcfs -update, %v):\n%s", c.title(), name, err, text)
		}
		if _, same, _ := try("help", c.name); same != text {
			t.Errorf("help %s:\n%s", c.name, same)
		}
		if n := strings.Count(text, "\n"); n > 24 {
			t.Errorf("%s --help has %d lines", c.title(), n)
		}
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(line) - 1; n > 80 {
				t.Errorf("%s --help has a line of %d columns: %s", c.title(), n, line)
			}
		}
	}
}

func TestExitStatus(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	missing, file := t.TempDir()+"/missing", t.TempDir()+"/file"
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		status int
		stderr string
	}{
		{"", 2, "ipcfs: a mount point is needed\nTry 'ipcfs --help'.\n"},
		{"a b c", 2, "ipcfs: a: no such command, and no mount point that exists (mkdir a)\nTry 'ipcfs --help'.\n"},
		{"mount a b c", 2, "ipcfs: unexpected argument \"c\"\nTry 'ipcfs mount --help'.\n"},
		{"staus X", 2, "ipcfs: staus: no such command, did you mean `ipcfs status`?\nTry 'ipcfs --help'.\n"},
		{"demoo", 2, "ipcfs: demoo: no such command, did you mean `ipcfs demo`?\n"},
		{"--net off umonut", 2, "did you mean `ipcfs umount`?"},
		{"main.go help.go", 2, "unexpected argument \"help.go\" (with a source: ipcfs mount SOURCE MOUNTPOINT)"},
		{"-f verison X -o rw", 1, "mount point does not exist (mkdir "},
		{"unmount", 2, "one mount point is needed\nTry 'ipcfs umount --help'.\n"},
		{"--unheard-of x", 2, "ipcfs: unknown flag: --unheard-of\nTry 'ipcfs mount --help'.\n"},
		{"--max-msg 5 x", 2, "ipcfs: unknown flag: --max-msg, did you mean --maxmsg?\nTry 'ipcfs mount --help'.\n"},
		{"ls --jsno", 2, "ipcfs: unknown flag: --jsno, did you mean --json?\nTry 'ipcfs ls --help'.\n"},
		{"--maxmsg 0 x", 2, "\"0\" is no number of at least 1"},
		{"help timed out", 2, "timed: no such command or word"},
		{"--maxmsg -1 x", 2, "invalid argument"},
		{"--net=all x", 2, "neither off, loopback nor any"},
		{"--shm=fast x", 2, "neither auto nor page-cache"},
		{"src mnt -o ro,maxmsg=many", 2, "option maxmsg=many"},
		{"src mnt -o state-dir", 2, "option state-dir needs a value"},
		{"help nothing", 2, "ipcfs: nothing: no such command"},
		{"help _init", 2, "no such command"},
		{"help unmount x", 0, ""},
		{"version more", 2, "unexpected argument"},
		{"--version", 0, ""},
		{"version", 0, ""},
		{"umount", 2, "one mount point is needed\nTry 'ipcfs umount --help'.\n"},
		{"umount " + t.TempDir(), 1, ": not mounted\n"},
		{"umount /proc", 1, "ipcfs: /proc: not an ipcfs mount but proc\n"},
		{"umount " + missing, 1, "ipcfs: " + missing + ": no such file or directory\n"},
		{"run", 2, "a command is needed"},
		{"run -x true", 2, "unknown shorthand flag"},
		{"bench a b", 2, "unexpected argument \"b\""},
		{"bench --runs=0", 2, "--runs 0: at least one"},
		{"bench --unpinned " + t.TempDir(), 1, "not an ipcfs mount"},
		{"broker x", 2, "unexpected argument"},
		{"broker --listen 4222", 2, "--listen is HOST:PORT or :PORT"},
		{"broker --sync never", 2, "--sync is always, or an interval"},
		{"broker --store a,b", 2, "needs no quotation"},
		{"broker --peers a,b --listen a:1", 2, "three or five"},
		{"broker --peers a,b,c --listen :1", 2, "which of them this machine is: --listen a:4222"},
		{"broker --peers a,b,c --listen d:1", 2, "d is none of the peers"},
		{"_bench", 1, "for ipcfs bench only"},
		{"_init", 2, "for ipcfs run only"},
		{"-f " + missing, 1, "ipcfs: " + missing + ": mount point does not exist (mkdir " + missing + ")\n"},
		{"-f " + file, 1, ": mount point is not a directory\n"},
	} {
		status, _, stderr := try(strings.Fields(c.args)...)
		if status != c.status || !strings.Contains(stderr, c.stderr) || c.status == 0 && stderr != "" {
			t.Errorf("ipcfs %s: %d %q, want %d %q", c.args, status, stderr, c.status, c.stderr)
		}
	}
}

func TestVersion(t *testing.T) {
	if _, out, _ := try("version"); !strings.HasPrefix(out, "ipcfs ") || strings.Count(out, "\n") != 1 {
		t.Errorf("%q", out)
	}
}

// A mount point that has a command's name is given with a slash.
func TestChoose(t *testing.T) {
	for args, want := range map[string]string{
		"": "", "demo": "demo", "./demo": "", "-f demo": "", "umount /x": "umount", "/mnt": "",
	} {
		c, rest := choose(strings.Fields(args))
		if c.name != want || len(rest) != len(strings.Fields(args))-len(strings.Fields(want)) {
			t.Errorf("%q: command %q with %q", args, c.name, rest)
		}
	}
}
