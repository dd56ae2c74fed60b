package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestUnits: the template and the unit for /mnt/ipc say the same of their places, and systemd-analyze finds
// nothing wrong with the units. TestSystemd has a systemd run them.
func TestUnits(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		text, err := os.ReadFile("../packaging/" + name)
		check(t, err)
		return string(text)
	}
	_, template, _ := strings.Cut(read("ipcfs@.service"), "\n#\n")
	_, one, _ := strings.Cut(read("ipcfs.service"), "\n#\n")
	template = strings.NewReplacer("%f", "/mnt/ipc", " --state-dir /run/ipcfs/%i", "", "ipcfs/%i", "ipcfs",
		"ipcfs@%i", "ipcfs", "DefaultInstance=mnt-ipc\n", "").Replace(template)
	if one != template || one == "" {
		t.Errorf("ipcfs.service is\n%s\nand not what ipcfs@.service says:\n%s", one, template)
	}
	if _, missing := exec.LookPath("systemd-analyze"); missing != nil {
		return
	}
	dir := t.TempDir()
	program, err := exec.LookPath("ipcfs")
	check(t, err)
	for _, name := range []string{"ipcfs.service", "ipcfs@.service", "mnt-ipc.mount"} {
		unit := strings.ReplaceAll(read(name), "/usr/local/bin/ipcfs", program)
		check(t, os.WriteFile(dir+"/"+name, []byte(unit), 0644))
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", dir+"/"+name).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("systemd-analyze: %v\n%s", err, out)
		}
	}
}

// TestPackage: the deb and the rpm that packaging/build makes are installed, used, upgraded under a
// mounted tree and removed, with what they run then, and leave nothing behind.
func TestPackage(t *testing.T) {
	soak(t)
	if _, missing := exec.LookPath("dpkg"); missing != nil || os.Getuid() != 0 {
		t.Skip("needs dpkg and root")
	}
	var dists []string
	for _, version := range []string{"1.0.0", "2.0.0"} {
		dist := t.TempDir() + "/dist"
		build := exec.Command("../packaging/build", runtime.GOARCH)
		build.Env = append(os.Environ(), "VERSION="+version, "DIST="+dist)
		out, err := build.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if st, err := os.Stat(dist + "/ipcfs-" + version + "-linux-" + runtime.GOARCH); err != nil || st.Size() > 14e6 {
			t.Errorf("the program is more than 14 MB: %v %v", st, err)
		}
		sums := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
		sums.Dir = dist
		if out, err := sums.CombinedOutput(); err != nil || strings.Count(string(out), ": OK\n") != 3 {
			t.Errorf("checksums: %v\n%s", err, out)
		}
		dists = append(dists, dist)
	}
	script, err := filepath.Abs("testdata/package.sh")
	check(t, err)
	for kind, installer := range map[string]string{"deb": "dpkg", "rpm": "rpm"} {
		t.Run(kind, func(t *testing.T) {
			if _, missing := exec.LookPath(installer); missing != nil {
				t.Skip("needs " + installer)
			}
			args := []string{"-m", "sh", script}
			for _, dist := range dists {
				found, err := filepath.Glob(dist + "/*." + kind)
				check(t, err)
				args = append(args, found...)
			}
			tr := bareTree(t)
			tr.dog.allow(4 * lifetime) // man-db looks at all pages of the machine
			if out, err := tr.command("unshare", args...).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
