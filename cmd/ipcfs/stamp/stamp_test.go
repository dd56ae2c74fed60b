package stamp

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const stamped = "1.2.3+4.g172e180 172e180 2026-11-28"

// TestParse: a stamp is version, commit and date.
func TestParse(t *testing.T) {
	b, ok := Parse(stamped + "\n")
	if want := (Build{"1.2.3+4.g172e180", "172e180", "2026-11-28"}); !ok || b != want {
		t.Errorf("%+v, %v, want %+v", b, ok, want)
	}
	for _, no := range []string{"", "1.2.3", "1.2.3 172e180"} {
		if b, ok := Parse(no); ok {
			t.Errorf("%q: %+v", no, b)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }

// TestAnswered: only `ipcfs version` is answered before main begins, and only if that is possible.
func TestAnswered(t *testing.T) {
	defer func(before string) { text = before }(text)
	version := []string{"ipcfs", "version"}
	for _, c := range []struct {
		text string
		args []string
		out  io.Writer
		want bool
	}{
		{stamped, version, io.Discard, true},
		{"", version, io.Discard, false},
		{stamped, version, full{}, false},
		{stamped, []string{"ipcfs"}, io.Discard, false},
		{stamped, []string{"ipcfs", "status"}, io.Discard, false},
		{stamped, []string{"ipcfs", "version", "--help"}, io.Discard, false},
		{stamped, nil, io.Discard, false},
	} {
		text = c.text
		if got := answered(c.args, c.out); got != c.want {
			t.Errorf("%q of %q: %v", c.args, c.text, got)
		}
	}
}

// TestVersionFirst: a program with a stamp tells its version before anything is initialized that is not Go's.
func TestVersionFirst(t *testing.T) {
	program := t.TempDir() + "/ipcfs"
	build := exec.Command("go", "build", "-o", program, "-ldflags",
		"-X 'github.com/ipcfs/ipcfs/cmd/ipcfs/stamp.text="+stamped+"'", "github.com/ipcfs/ipcfs/cmd/ipcfs")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var trace strings.Builder
	version := exec.Command(program, "version")
	version.Env = append(os.Environ(), "GODEBUG=inittrace=1") // runtime: a line "init PACKAGE @..." for each
	version.Stderr = &trace
	out, err := version.Output()
	if err != nil || !strings.HasPrefix(string(out), "ipcfs 1.2.3+4.g172e180 (172e180, 2026-11-28, go") {
		t.Errorf("%q, %v", out, err)
	}
	for line := range strings.Lines(trace.String()) {
		if f := strings.Fields(line); len(f) > 1 && strings.Contains(f[1], ".") { // the name of a machine
			t.Errorf("before it: %s", line)
		}
	}
	if !strings.Contains(trace.String(), "init os @") {
		t.Errorf("no trace of packages: %q", &trace)
	}
}
