package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// TestUnit: the commands of the systemd unit start a tree and end it, and
// systemd-analyze finds nothing wrong with the unit.
func TestUnit(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../packaging/ipcfs@.service")
	check(t, err)
	tr := bareTree(t)
	program, err := exec.LookPath("ipcfs")
	check(t, err)
	unit := strings.ReplaceAll(string(text), "/usr/local/bin/ipcfs", program)
	here := strings.NewReplacer("/run/ipcfs/%i", tr.state, "%f", tr.mnt)
	command := func(key string) *exec.Cmd {
		m := regexp.MustCompile(`(?m)^` + key + `=(.*)$`).FindStringSubmatch(unit)
		if m == nil {
			t.Fatalf("no %s= in the unit", key)
		}
		args := strings.Fields(here.Replace(m[1]))
		return tr.command(args[0], args[1:]...)
	}

	daemon := command("ExecStart")
	check(t, daemon.Start())
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }()
	if !eventually(patience, func() bool { _, err := tr.pid(); return err == nil }) {
		t.Error("the tree is not live")
	}
	if out, err := command("ExecStop").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("ExecStop: %v %s", err, out)
	}
	if err := <-ended; err != nil {
		t.Errorf("the daemon: %v", err)
	}

	if _, missing := exec.LookPath("systemd-analyze"); missing != nil {
		return
	}
	check(t, os.WriteFile(tr.work+"/ipcfs@.service", []byte(unit), 0644))
	out, err := tr.command("systemd-analyze", "verify", "--man=no", tr.work+"/ipcfs@.service").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
}

// TestPackage: the deb that packaging/build makes is installed, used, upgraded under a
// mounted tree and purged, and leaves nothing behind.
func TestPackage(t *testing.T) {
	soak(t)
	if _, missing := exec.LookPath("dpkg"); missing != nil || os.Getuid() != 0 {
		t.Skip("needs dpkg and root")
	}
	var debs []string
	for _, version := range []string{"1.0.0", "2.0.0"} {
		dist := t.TempDir() + "/dist"
		build := exec.Command("../packaging/build", runtime.GOARCH)
		build.Env = append(os.Environ(), "VERSION="+version, "DIST="+dist)
		out, err := build.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		debs = append(debs, dist+"/ipcfs_"+version+"_"+runtime.GOARCH+".deb")
	}
	script, err := filepath.Abs("testdata/package.sh")
	check(t, err)
	tr := bareTree(t)
	if out, err := tr.command("unshare", "-m", "sh", script, debs[0], debs[1]).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
