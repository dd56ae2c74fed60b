package tests

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// removalEndsReader: a reader that waits is woken when the object is removed, and told so; poll says it too.
func removalEndsReader(s *stage) {
	_, r := s.meet(s, s.reader.flags)
	p := s.open(s.reader, s.reader.flags).opened().poller("poll", unix.POLLIN)
	r.start("read", wide, nil)
	s.wait(r)
	p.woken(s.ended.poll, s.remove)
	r.ends(s.ended.reader, 0)
	p.now(s.ended.poll)
	r.fails(s.ended.reader, "read", wide, nil)
}

// removalEndsWriter: a writer that waits is woken when the object is removed, and told so. What was sent
// before can be read, where the object keeps it, and then the reader is told.
func removalEndsWriter(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	p := s.open(s.writer, s.writer.flags).opened().poller("poll", unix.POLLOUT)
	sent := w.fill()
	w.begin([]byte("never"))
	s.wait(w)
	p.woken(s.ended.poll, s.remove)
	w.ends(s.ended.writer, 0)
	p.now(s.ended.poll)
	if s.ended.left {
		r.expect(sent...)
	}
	r.fails(s.ended.reader, "read", wide, nil)
}

// removalIsOutlived: programs that have the object open go on when its name is removed.
func removalIsOutlived(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	w.send([]byte("before"))
	s.remove()
	r.expect([]byte("before"))
	r.start("read", wide, nil)
	s.wait(r)
	w.send([]byte("after"))
	r.completes([]byte("after"))
	r.quiet()
}

// madeAnew: a new object of the same name has nothing to do with files that are still open on the old one.
func madeAnew(s *stage) {
	old, oldReader := s.meet(s, s.reader.flags)
	s.remove()
	s.create()
	w, r := s.meet(s, s.reader.flags)
	w.send([]byte("new"))
	old.must("nonblock", 0, nil)
	oldReader.must("nonblock", 0, nil)
	if s.ended.writer != "" {
		old.fails(s.ended.writer, "write", 0, s.framing.encode([]byte("old")))
	} else {
		old.send([]byte("old"))
	}
	if s.ended.reader != "" {
		oldReader.fails(s.ended.reader, "read", wide, nil)
	} else {
		oldReader.expect([]byte("old"))
	}
	r.expect([]byte("new"))
	r.quiet()
}

// blockedWritersAreHarmless: while two writers wait, everybody else goes on: others look at the object and
// open it, others are made and removed beside it, and it is removed itself.
func blockedWritersAreHarmless(s *stage) {
	w, _ := s.meet(s, s.reader.flags)
	w2 := s.second(s, w)
	w.fill()
	// cat looks at the size of its output, too: the kernel must not come to
	// believe that a write makes the file longer
	w.must("size", 0, nil)
	w.must("birth", 0, nil)
	w.begin(s.message(-1))
	s.wait(w)
	w2.begin(s.message(-1))
	s.wait(w, w2)
	object := filepath.Join(s.tree.mnt, s.object)
	s.sh("set -e; cd %s; ls -l; stat %[2]s; touch %[2]s; chmod 640 %[2]s; : >>%[2]s; touch %[3]s; rm %[3]s",
		filepath.Dir(object), object, s.sibling)
	s.remove()
}

// permission: the modes of the object say who may open which end of a face, to read and to write.
func permission(s *stage) {
	if ok, _ := realRoot(); !ok {
		s.Skip("the user namespace of an ordinary user has one user only")
	}
	object := filepath.Join(s.tree.mnt, s.object)
	check(s, os.Chown(object, 1000, 1000))
	other, err := s.tree.play(1001)
	check(s, err)
	defer other.leave()
	for mode := range uint32(8) {
		check(s, os.Chmod(object, os.FileMode(0600|mode)))
		for _, e := range []end{s.writer, s.reader} {
			answer, err := other.do(cue{
				Op: "open", Path: s.path(e), Flags: strings.Join([]string{e.flags, "nonblock"}, ","),
			})
			check(s, err)
			if refused := answer.Errno == "EACCES"; refused != (mode&e.needs != e.needs) {
				s.Errorf("mode 60%d: open %s %s: %q", mode, e.path, e.flags, answer.Errno)
			}
		}
	}
}
