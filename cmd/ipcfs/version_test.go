package main

import (
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"
)

// TestBuild: a program knows what it was built from, however it was built.
func TestBuild(t *testing.T) {
	of := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	vcs := []debug.BuildSetting{
		{Key: "vcs.revision", Value: "172e18068cd9aaaa"}, {Key: "vcs.time", Value: "2026-11-28T22:03:27Z"},
	}
	devel := release + "-devel"
	for _, c := range []struct {
		stamp string
		info  *debug.BuildInfo
		want  built
	}{
		{"1.2.3+4.g172e180 172e180 2026-11-28", of("v9.9.9"), built{"1.2.3+4.g172e180", "172e180", "2026-11-28"}},
		{"", of("v1.2.3"), built{"1.2.3", "", ""}},
		{"", of("v1.2.3", vcs...), built{"1.2.3", "172e180", "2026-11-28"}},
		{"", of("(devel)", vcs...), built{devel, "172e180", "2026-11-28"}},
		{"", of("v0.0.0-20261128220355-172e18068cd9"), built{devel, "172e180", "2026-11-28"}},
		{"", of("v1.0.1-0.20261128220355-172e18068cd9+dirty"), built{devel, "172e180", "2026-11-28"}},
		{"", nil, built{devel, "", ""}},
	} {
		if got := buildOf(c.stamp, c.info); got != c.want {
			t.Errorf("%q, %+v: %+v, want %+v", c.stamp, c.info, got, c.want)
		}
	}
}

// TestVersionScript: what packaging/version prints is a stamp.
func TestVersionScript(t *testing.T) {
	out, err := exec.Command("../../packaging/version").Output()
	if err != nil {
		t.Skip("needs git and a clone: ", err)
	}
	if b := buildOf(string(out), nil); !strings.HasPrefix(b.version, release) || b.commit == "" || len(b.date) != 10 {
		t.Errorf("%q: %+v", out, b)
	}
}
