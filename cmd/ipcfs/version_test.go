package main

import (
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/ipcfs/ipcfs/cmd/ipcfs/stamp"
)

// TestBuild: a program knows what it was built from, however it was built.
func TestBuild(t *testing.T) {
	of := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	vcs := []debug.BuildSetting{
		{Key: "vcs.revision", Value: "172e18068cd9aaaa"}, {Key: "vcs.time", Value: "2026-11-28T22:03:27Z"},
	}
	built := func(version, commit, date string) stamp.Build {
		return stamp.Build{Version: version, Commit: commit, Date: date}
	}
	devel := release + "-devel"
	for _, c := range []struct {
		info *debug.BuildInfo
		want stamp.Build
	}{
		{of("v1.2.3"), built("1.2.3", "", "")},
		{of("v1.2.3", vcs...), built("1.2.3", "172e180", "2026-11-28")},
		{of("(devel)", vcs...), built(devel, "172e180", "2026-11-28")},
		{of("v0.0.0-20261128220355-172e18068cd9"), built(devel, "172e180", "2026-11-28")},
		{of("v1.0.1-0.20261128220355-172e18068cd9+dirty"), built(devel, "172e180", "2026-11-28")},
		{nil, built(devel, "", "")},
	} {
		if got := buildOf(c.info); got != c.want {
			t.Errorf("%+v: %+v, want %+v", c.info, got, c.want)
		}
	}
}

// TestVersionScript: what packaging/version prints is a stamp.
func TestVersionScript(t *testing.T) {
	out, err := exec.Command("../../packaging/version").Output()
	if err != nil {
		t.Skip("needs git and a clone: ", err)
	}
	b, ok := stamp.Parse(string(out))
	if !ok || !strings.HasPrefix(b.Version, release) || b.Commit == "" || len(b.Date) != 10 {
		t.Errorf("%q: %+v", out, b)
	}
}
