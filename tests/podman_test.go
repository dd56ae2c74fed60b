package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPodman: what docs/start.md says of containers, on a real engine (testdata/podman.sh).
func TestPodman(t *testing.T) {
	soak(t)
	for _, tool := range []string{"podman", "busybox"} {
		if _, missing := exec.LookPath(tool); missing != nil {
			t.Skip("needs " + tool)
		}
	}
	if root, err := realRoot(); err != nil || !root || os.Getuid() != 0 || *fusermount {
		t.Skip("needs root")
	}
	program, err := exec.LookPath("ipcfs")
	check(t, err)
	script, err := filepath.Abs("testdata/podman.sh")
	check(t, err)
	page, err := filepath.Abs("../docs/start.md")
	check(t, err)
	tr := bareTree(t)
	cmd := tr.command("unshare", "-m", "sh", script, program, page)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() == 77 {
		t.Skipf("podman runs nothing here: %s", out)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
