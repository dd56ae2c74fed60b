package mount

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestKernelWords: what a kernel can and lacks, by what it says of itself.
func TestKernelWords(t *testing.T) {
	for _, c := range []struct {
		minor          uint32
		release, build string
		shared         bool
	}{
		{37, "6.1.0-25-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.106-3 (2024-08-26)", false},
		{37, "6.1.0-37-cloud-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.140-1 (2025-05-22)", true},
		{37, "6.1.110", "#1 SMP", true},
		{37, "6.1.109", "#1 SMP", false},
		{36, "5.15.0-91-generic", "#101-Ubuntu SMP", false},
		{38, "6.2.0", "", true},
		{45, "6.18.44", "", true},
		{37, "", "", false},
	} {
		if got := parallelWrites(c.minor, c.release, c.build); got != c.shared {
			t.Errorf("%d %s %s: %v, want %v", c.minor, c.release, c.build, got, c.shared)
		}
	}
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
	var all strings.Builder
	for _, f := range newKernel(t).s.Facts() {
		all.WriteString(f.Key + "=" + fmt.Sprint(f.Value, "\n"))
	}
	if !strings.Contains(all.String(), "fuse=7.41\nshared_writes=shared\n") {
		t.Errorf("%s", all.String())
	}
}
