package mount

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestKernelWords: why there is no passthrough is said in words.
func TestKernelWords(t *testing.T) {
	for _, c := range []struct {
		err     error
		release string
		want    string
	}{
		{unix.ENOTTY, "6.1.0-37-cloud-amd64", "Linux 6.1 has no FUSE passthrough, 6.9 has"},
		{unix.EOPNOTSUPP, "6.12.4", "this Linux 6.12 was built without FUSE passthrough (CONFIG_FUSE_PASSTHROUGH)"},
		{unix.EPERM, "6.12.4", "FUSE passthrough is for root outside of user namespaces (CAP_SYS_ADMIN)"},
		{unix.EMFILE, "6.12.4", "FUSE passthrough: too many open files"},
	} {
		if got := whyNoPassthrough(c.err, c.release); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

// TestKernelFacts: the status says what the kernel has told in INIT.
func TestKernelFacts(t *testing.T) {
	facts := fmt.Sprint(newKernel(t).s.Facts())
	if !strings.Contains(facts, "{fuse 7.41} {shared_writes shared}") {
		t.Errorf("%s", facts)
	}
	if old := fmt.Sprint(kernelFacts(37)); !strings.Contains(old, "{fuse 7.37} {shared_writes one-by-one}") {
		t.Errorf("%s", old)
	}
}

// TestSince: versions are compared by their numbers.
func TestSince(t *testing.T) {
	for release, want := range map[string]bool{
		"6.9.0-rc1": true, "6.10": true, "7.0.1": true, "6.8.12-arch": false, "5.19": false, "": false, "x": false,
	} {
		if got := since(release, 6, 9); got != want {
			t.Errorf("%q: %v", release, got)
		}
	}
}
