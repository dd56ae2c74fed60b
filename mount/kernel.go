package mount

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// kernelRelease is what uname(2) calls the kernel, as in 6.1.0-37-amd64.
func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// kernelSeries is "Linux 6.1" of a release.
func kernelSeries(release string) string {
	return "Linux " + regexp.MustCompile(`^\d+\.\d+|^.*`).FindString(release)
}

// minorParallelWrites is the minor version of FUSE that has FOPEN_PARALLEL_DIRECT_WRITES: Linux 6.2 and
// 6.1.110. Without it those who write by one open file wait for one another inside the kernel, and cannot be
// killed there. The flag is not negotiated, and to try it would take two processes that write.
const minorParallelWrites = 38

// kernelFacts are what the kernel is and what it lets the tree do.
func kernelFacts(minor uint32) []nodes.Fact {
	writes := "shared"
	if minor < minorParallelWrites {
		writes = "one-by-one"
	}
	return []nodes.Fact{
		{Key: "kernel", Value: kernelRelease()},
		{Key: "fuse", Value: fmt.Sprint("7.", minor)},
		{Key: "shared_writes", Value: writes},
	}
}

// whyNoPassthrough puts into words the errno with which the kernel refused a backing file.
func whyNoPassthrough(err error, release string) string {
	switch {
	case errors.Is(err, unix.ENOTTY):
		return kernelSeries(release) + " has no FUSE passthrough, 6.9 has"
	case errors.Is(err, unix.EOPNOTSUPP):
		return "this " + kernelSeries(release) + " was built without FUSE passthrough (CONFIG_FUSE_PASSTHROUGH)"
	case errors.Is(err, unix.EPERM):
		return "FUSE passthrough is for root outside of user namespaces (CAP_SYS_ADMIN)"
	}
	return "FUSE passthrough: " + err.Error()
}

// KernelResends reports whether the kernel is of a version that brings requests twice (FUSE_NOTIFY_RESEND,
// Linux
// 6.9), as far as is known before it is asked (Session.Resends).
func KernelResends() bool { return since(kernelRelease(), 6, 9) }

// since reports whether a release is of a version, or later.
func since(release string, major, minor int) bool {
	var of, sub int
	n, _ := fmt.Sscanf(release, "%d.%d", &of, &sub)
	return n == 2 && (of > major || of == major && sub >= minor)
}
