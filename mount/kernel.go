package mount

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// kernelNames are what uname(2) says of the kernel: the release, as in 6.1.0-37-amd64, and the build, in which Debian says which stable
// version that is.
func kernelNames() (release, build string) {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "", ""
	}
	return unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Version[:])
}

// kernelSeries is "Linux 6.1" of a release.
func kernelSeries(release string) string {
	return "Linux " + regexp.MustCompile(`^\d+\.\d+|^.*`).FindString(release)
}

// minorParallelWrites is the minor version of FUSE that has FOPEN_PARALLEL_DIRECT_WRITES (Linux 6.2).
const minorParallelWrites = 38

// parallelWrites reports whether the kernel heeds FOPEN_PARALLEL_DIRECT_WRITES: without it, those who write by one open file wait for one
// another inside the kernel, and cannot be killed there. The flag is not negotiated, and a try would need a second process; Linux 6.1
// has it from 6.1.110 without another minor version.
func parallelWrites(minor uint32, release, build string) bool {
	if minor >= minorParallelWrites {
		return true
	}
	patch := -1
	for _, name := range []string{release, build} {
		if m := regexp.MustCompile(`\b6\.1\.(\d+)`).FindStringSubmatch(name); m != nil {
			n, _ := strconv.Atoi(m[1])
			patch = max(patch, n)
		}
	}
	return patch >= 110
}

// kernelFacts are what the kernel is and what it lets the tree do.
func kernelFacts(minor uint32) []nodes.Fact {
	release, build := kernelNames()
	writes := "shared"
	if !parallelWrites(minor, release, build) {
		writes = "one-by-one"
	}
	return []nodes.Fact{
		{Key: "kernel", Value: release},
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
