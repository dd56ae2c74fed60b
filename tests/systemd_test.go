package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestSystemd: a real systemd starts the units, reloads, watches, restarts and stops them, and what they are
// hardened with takes nothing from the users of the tree (testdata/systemd-inside.sh).
func TestSystemd(t *testing.T) {
	soak(t)
	if _, missing := exec.LookPath("systemd-nspawn"); missing != nil || os.Getuid() != 0 {
		t.Skip("needs systemd-nspawn and root")
	}
	program, err := exec.LookPath("ipcfs")
	check(t, err)
	script, err := filepath.Abs("testdata/systemd.sh")
	check(t, err)
	packaging, err := filepath.Abs("../packaging")
	check(t, err)
	tr := bareTree(t)
	if out, err := tr.command("unshare", "-m", "sh", script, program, packaging).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
