package tests

import (
	"path/filepath"
	"slices"
)

// onlyRead: messages are taken by read(2) alone. Other ways to read (sendfile, splice, copy_file_range, a
// mapping) are refused; advice (posix_fadvise, readahead) and questions about the file may be. None of them
// takes a message, waits for one, or shows an end of file. Before Linux 6.5 sendfile and splice are reads.
func onlyRead(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	inTree, outside := filepath.Join(s.tree.mnt, "shm/copy"), filepath.Join(s.tree.work, "copy")
	msg := []byte("a message")
	for _, sent := range []bool{false, true} {
		for _, way := range []cue{
			{Op: "fadvise"}, {Op: "readahead"}, {Op: "sendfile"}, {Op: "splice"},
			{Op: "copy", Path: inTree}, {Op: "copy", Path: outside}, {Op: "private"}, {Op: "getflags"},
		} {
			if sent {
				w.send(msg)
			}
			r.must("size", 0, nil) // the kernel must not come to believe it
			r.must("nonblock", 0, nil)
			way.FD, way.N = r.fd, 4096
			answer, err := r.player.do(way)
			check(s, err)
			r.must("block", 0, nil)
			switch old := way.Op == "sendfile" || way.Op == "splice"; {
			case slices.Contains(refusals[way.Op], answer.Errno):
			case old && !sent && (answer.Errno == "EAGAIN" || answer.Errno == s.dry):
			case old && sent && answer.Errno == "":
				r.has(answer.Data, msg)
				continue
			default:
				s.Errorf("%s %s: %q %d %q", way.Op, way.Path, answer.Errno, answer.N, answer.Data)
			}
			if sent {
				r.expect(msg)
			}
			r.quiet()
		}
	}
	check(s, s.tree.parked(0))
	// Splice into an object is a write of what is in the pipe, all at once.
	wire := s.framing.encode(msg)
	if n := w.player.must(s, cue{Op: "splice-in", FD: w.fd, Data: wire}).N; n != len(wire) {
		s.Errorf("splice took %d bytes of %d", n, len(wire))
	}
	r.expect(msg)
	r.quiet()
}

// refusals are what each way of reading may end with.
var refusals = map[string][]string{
	"fadvise":   {"", "ESPIPE"},
	"readahead": {"", "EINVAL"},
	"sendfile":  {"EINVAL"},
	"splice":    {"EINVAL"},
	"copy":      {"EINVAL", "EXDEV", "ESPIPE", "EBADF"},
	"private":   {"EFAULT", "ENODEV"},
	"getflags":  {"ENOTTY", "EOPNOTSUPP"},
}
