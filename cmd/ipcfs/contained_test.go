package main

import (
	"strings"
	"testing"
)

// TestToTmpfs: another state directory helps wherever this is, and in a container its engine may help, too.
func TestToTmpfs(t *testing.T) {
	check := func() {
		t.Helper()
		do := toTmpfs("/srv/state")
		if !strings.HasPrefix(do, "--state-dir on a tmpfs") || strings.Contains(do, "--tmpfs /srv") != contained() {
			t.Error(do)
		}
	}
	check()
	t.Setenv("container", "podman")
	check()
}
