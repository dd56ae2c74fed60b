package tests

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestCompare: the script whose numbers are in docs/comparison.md measures each means that is here.
func TestCompare(t *testing.T) {
	if !*long {
		t.Skip("it takes seconds: -long")
	}
	if _, missing := exec.LookPath("cc"); missing != nil {
		t.Skip("there is no cc here")
	}
	tr := mountTree(t)
	tr.dog.allow(4 * lifetime)
	cmd := exec.Command("compare/compare")
	cmd.Env = append(os.Environ(), tr.env()...)
	cmd.Env = append(cmd.Env, "IPCFS="+tr.mnt, "RUNS=1", "COUNT=200", "TMPDIR="+tr.work)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	number := regexp.MustCompile(`\| \d+(\.\d)? \|`)
	rows := 0
	for row := range strings.Lines(string(out)) {
		if strings.HasPrefix(row, "| ") && !strings.HasPrefix(row, "| µs") {
			rows++
			if !number.MatchString(row) {
				t.Errorf("a row without a number: %q", row)
			}
		}
	}
	if rows < 7 {
		t.Errorf("%d rows:\n%s", rows, out)
	}
}
