package backends

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// ReturnMemory gives back to the kernel what the start of a program needed and its work does not: memory of
// the heap that is free, and the pages of code and constants that were mapped in (madvise(2), MADV_DONTNEED).
// Of these the kernel maps those again that are used; they are in its page cache. It takes a moment, and
// nothing fails if it cannot.
func ReturnMemory() {
	debug.FreeOSMemory()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); n < 3 || len(mode) < 4 {
			continue
		}
		// What can be written is the program's own by now.
		if strings.HasSuffix(strings.TrimSuffix(line, "\n"), " "+exe) && mode[0] == 'r' && mode[1] != 'w' {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
		}
	}
}
