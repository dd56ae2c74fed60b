package backends

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ReturnCode gives back to the kernel what the start of a program needed and its work does not: the pages of its code
// and constants that were mapped in (madvise(2), MADV_DONTNEED). Those that are used the kernel maps again; they are in
// its page cache. It takes a fraction of a millisecond, and nothing fails if it cannot. The heap is left as it is:
// the first collection of garbage takes more memory for its own tables than it finds (docs/performance.md).
func ReturnCode() {
	for _, s := range codeSpans() {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, s.from, s.to-s.from, unix.MADV_DONTNEED)
	}
}

// span is a range of addresses.
type span struct{ from, to uintptr }

// codeSpans are where this program's file is mapped that nobody writes to: what can be written is the program's own by
// now.
func codeSpans() (spans []span) {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(maps)) {
		at, rest, _ := strings.Cut(line, " ")
		if !strings.HasPrefix(rest, "r-") || !strings.HasSuffix(rest, " "+exe+"\n") {
			continue
		}
		from, to, _ := strings.Cut(at, "-")
		begin, errBegin := strconv.ParseUint(from, 16, 64)
		end, errEnd := strconv.ParseUint(to, 16, 64)
		if errBegin == nil && errEnd == nil {
			spans = append(spans, span{uintptr(begin), uintptr(end)})
		}
	}
	return spans
}
