package backends

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ReturnCode gives back to the kernel what the start of a program needed and its work does not: the pages of
// its code and constants that were mapped in (madvise(2), MADV_DONTNEED). Those that are used the kernel maps
// again; they are in its page cache. It takes about a millisecond, and nothing fails if it cannot. The heap
// is left as it is: the first collection of garbage takes more memory for its own tables than it finds
// (docs/performance.md).
func ReturnCode() {
	for _, s := range codeSpans() {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, s.from, s.to-s.from, unix.MADV_DONTNEED)
	}
}

// span is a range of addresses.
type span struct{ from, to uintptr }

// codeSpans are where this program's file is mapped, and is as in the file. What was written to is the
// program's own, if only while it was loaded, as the addresses in one that lies anywhere (-buildmode=pie, -z
// relro of ld(1)).
func codeSpans() (spans []span) {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return nil
	}
	defer f.Close()
	var here span
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if at, rest, _ := strings.Cut(line, " "); !strings.HasSuffix(at, ":") { // else a fact of what was named before
			here = span{}
			if strings.HasPrefix(rest, "r-") && strings.HasSuffix(rest, " "+exe) {
				here = spanOf(at)
			}
		} else if f := strings.Fields(rest); here.to > 0 && at == "Anonymous:" && len(f) > 0 && f[0] == "0" {
			spans = append(spans, here)
		}
	}
	return spans
}

// spanOf reads a range of addresses as proc_pid_maps(5) has it; the zero span: it is none.
func spanOf(at string) span {
	from, to, _ := strings.Cut(at, "-")
	begin, errBegin := strconv.ParseUint(from, 16, 64)
	end, errEnd := strconv.ParseUint(to, 16, 64)
	if errBegin != nil || errEnd != nil {
		return span{}
	}
	return span{uintptr(begin), uintptr(end)}
}
