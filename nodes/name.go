package nodes

import (
	"fmt"
	"strings"
	"syscall"
)

// checkPath says what is wrong with a path inside a class that stands in a text. (A path that comes by
// open(2) was taken apart by the kernel.) It keeps NAME_MAX and PATH_MAX (path_resolution(7)) and allows
// what open(2) allows in a name. A path that would lead elsewhere than it says, or nowhere, is EINVAL.
func checkPath(path string) error {
	if len(path) >= syscall.PathMax {
		return syscall.ENAMETOOLONG
	}
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case part == "" || part == "." || part == "..":
			return fmt.Errorf("%w: no part of a name is empty, `.` or `..`", syscall.EINVAL)
		case strings.ContainsRune(part, 0):
			return fmt.Errorf("%w: a name has no byte 0", syscall.EINVAL)
		case len(part) > nameMax:
			return syscall.ENAMETOOLONG
		}
	}
	return nil
}

// nameMax is the longest name of an object in bytes (NAME_MAX).
const nameMax = 255
