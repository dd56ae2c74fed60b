package backends

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReturnCode: what was mapped in of this program's code and constants is not, but for what is used since.
func TestReturnCode(t *testing.T) {
	code := codeSpans()
	mapped := func() (kB int) {
		t.Helper()
		smaps, err := os.ReadFile("/proc/self/smaps")
		if err != nil {
			t.Fatal(err)
		}
		counts := false
		for line := range strings.Lines(string(smaps)) {
			switch f := strings.Fields(line); {
			case len(f) >= 5 && strings.Contains(f[0], "-"):
				counts = slices.Contains(code, spanOf(f[0]))
			case counts && f[0] == "Rss:":
				n, err := strconv.Atoi(f[1])
				if err != nil {
					t.Fatal(err)
				}
				kB += n
			}
		}
		return kB
	}
	for _, s := range code {
		_, _, errno := unix.Syscall(unix.SYS_MADVISE, s.from, s.to-s.from, unix.MADV_POPULATE_READ)
		if errno != 0 {
			t.Skip("MADV_POPULATE_READ, Linux 5.14: ", errno)
		}
	}
	before := mapped()
	ReturnCode()
	if after := mapped(); before == 0 || after > before*3/4 { // what it goes on with comes back
		t.Errorf("%d kB of code and constants are mapped, where %d were", after, before)
	}
}

// TestReturnCodeAnywhere: a program that can lie anywhere, as distributions build them, lives on: the
// addresses in its constants are written when it is loaded, and are not in its file.
func TestReturnCodeAnywhere(t *testing.T) {
	program := t.TempDir() + "/pie"
	if out, err := exec.Command("go", "test", "-c", "-buildmode=pie", "-o", program, ".").CombinedOutput(); err != nil {
		t.Skipf("no such program can be built here: %v\n%s", err, out)
	}
	out, err := exec.Command(program, "-test.run", "^TestReturnCode$", "-test.v").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("TestReturnCode")) {
		t.Errorf("%v\n%.2000s", err, out)
	}
}
