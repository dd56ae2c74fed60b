package tests

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A stage is where one property of one face is tried: an object made anew, and players who open it.
type stage struct {
	*testing.T
	*face
	tree   *tree
	cast   *[]*player // idle, for the next property too
	active []*player
	object string // path in the tree
}

// create makes the object as a user would, by the face's commands.
func (s *stage) create() {
	s.Helper()
	if s.face.make == "" {
		return
	}
	cmd := s.tree.command("sh", "-ec", s.face.make)
	cmd.Dir = s.tree.mnt
	out, err := cmd.CombinedOutput()
	s.object = strings.TrimSpace(string(out))
	if err != nil || s.object == "" {
		s.Fatalf("%s: %v: %s", s.face.make, err, out)
	}
}

// path is where an end is: {} is the object, {port} what stands behind its last colon.
func (s *stage) path(e end) string {
	_, port, _ := strings.Cut(s.object, ":")
	if strings.HasPrefix(e.path, "mq:") {
		return e.path
	}
	mnt := s.tree.mnt
	if s.face.apart && e == s.reader {
		mnt = s.tree.other
	}
	return mnt + "/" + strings.NewReplacer("{}", s.object, "{port}", port).Replace(e.path)
}

// remove removes the object.
func (s *stage) remove() {
	s.Helper()
	check(s, os.Remove(filepath.Join(s.tree.mnt, s.object)))
}

// sh runs a command that must succeed.
func (s *stage) sh(format string, args ...any) {
	s.Helper()
	cmd := s.tree.command("sh", "-c", fmt.Sprintf(format, args...))
	if out, err := cmd.CombinedOutput(); err != nil {
		s.Fatalf("%v: %v: %s", cmd.Args, err, out)
	}
}

// player is one more process.
func (s *stage) player() *player {
	s.Helper()
	var p *player
	if idle := *s.cast; len(idle) > 0 {
		p, *s.cast = idle[0], idle[1:]
	} else {
		var err error
		p, err = s.tree.play(0)
		check(s, err)
	}
	s.active = append(s.active, p)
	return p
}

// clear ends the property: what players have open is closed, and the object is gone.
func (s *stage) clear() {
	for _, p := range s.active {
		if p.cmd == nil {
			p.leave()
		}
	}
	for _, p := range s.active {
		switch {
		case p.cmd == nil:
		case p.waiting:
			p.leave()
		default:
			if _, err := p.do(cue{Op: "reset"}); err == nil {
				*s.cast = append(*s.cast, p)
			}
		}
	}
	if s.object != "" {
		_ = os.Remove(filepath.Join(s.tree.mnt, s.object)) // a property may have
	}
}

// open has a player begin to open an end, for which it may have to wait.
func (s *stage) open(e end, flags string) *file {
	s.Helper()
	f := &file{stage: s, player: s.player()}
	path, op := s.path(e), "open"
	if name, ok := strings.CutPrefix(path, "mq:"); ok {
		path, op = name, "mq-open"
	}
	check(s, f.player.start(cue{Op: op, Path: path, Flags: flags}))
	return f
}

// opened waits until an end is open.
func (f *file) opened() *file {
	f.stage.Helper()
	answer, err := f.player.finish()
	check(f.stage, err)
	if answer.Errno != "" {
		f.stage.Fatalf("open: %s", answer.Errno)
	}
	f.fd = answer.N
	return f
}

// A file is what a player has open.
type file struct {
	stage  *stage
	player *player
	fd     int
	rest   []byte // of a writer: what is still to be written of a message; of a reader: what was read behind one
}

// try does one call on the file.
func (f *file) try(op string, n int, data []byte) (take, error) {
	return f.player.do(cue{Op: op, FD: f.fd, N: n, Data: data})
}

// start begins one call.
func (f *file) start(op string, n int, data []byte) {
	f.stage.Helper()
	check(f.stage, f.player.start(cue{Op: op, FD: f.fd, N: n, Data: data}))
}

// must does one call that cannot fail.
func (f *file) must(op string, n int, data []byte) take {
	f.stage.Helper()
	return f.player.must(f.stage, cue{Op: op, FD: f.fd, N: n, Data: data})
}

// fails does one call that must fail with errno.
func (f *file) fails(errno, op string, n int, data []byte) {
	f.stage.Helper()
	answer, err := f.try(op, n, data)
	check(f.stage, err)
	if answer.Errno != errno {
		f.stage.Fatalf("%s: %q and %d %.40q, want %s", op, answer.Errno, answer.N, answer.Data, errno)
	}
}

// ends waits for the end of the call that was started: errno, or n bytes.
func (f *file) ends(errno string, n int) {
	f.stage.Helper()
	answer, err := f.player.finish()
	check(f.stage, err)
	if answer.Errno != errno || errno == "" && max(answer.N, len(answer.Data)) != n {
		f.stage.Fatalf("it ended with %q and %d bytes %.40q, want %q and %d",
			answer.Errno, answer.N, answer.Data, errno, n)
	}
}

// begin starts to write what is left of the messages before, and one more if it is not nil.
func (f *file) begin(msg []byte) {
	f.stage.Helper()
	if msg != nil {
		f.rest = append(bytes.Clone(f.rest), f.stage.framing.encode(msg)...)
	}
	f.start("write", 0, f.rest)
}

// wrote is the end of what begin started: errno, and how much of it is still to be written.
// A stream that has sent a part says so instead of EINTR.
func (f *file) wrote(errno string) {
	f.stage.Helper()
	answer, err := f.player.finish()
	check(f.stage, err)
	f.rest = f.rest[answer.N:]
	part := errno == "EINTR" && !f.stage.framing.whole && answer.N > 0
	if answer.Errno != errno && !part || (len(f.rest) == 0) != (errno == "") {
		f.stage.Fatalf("write: %q and %d bytes, %d are left; want %q", answer.Errno, answer.N, len(f.rest), errno)
	}
}

// send writes a message.
func (f *file) send(msg []byte) {
	f.stage.Helper()
	f.begin(msg)
	f.wrote("")
}

// fill sends messages until there is no room. A stream may have taken a part of
// the last one. The file is left in blocking mode.
func (f *file) fill() (sent [][]byte) {
	f.stage.Helper()
	f.must("nonblock", 0, nil)
	for len(sent) < 1<<14 {
		if len(f.rest) == 0 {
			sent = append(sent, f.stage.message(len(sent)))
			f.rest = f.stage.framing.encode(sent[len(sent)-1])
		}
		answer, err := f.try("write", 0, f.rest)
		check(f.stage, err)
		if answer.Errno == "EAGAIN" {
			f.must("block", 0, nil)
			if last := sent[len(sent)-1]; len(f.rest) == len(f.stage.framing.encode(last)) {
				f.rest, sent = nil, sent[:len(sent)-1]
			}
			return sent
		}
		if answer.Errno != "" {
			f.stage.Fatalf("write: %s", answer.Errno)
		}
		f.rest = f.rest[answer.N:]
	}
	f.stage.Fatal("it is never full")
	return nil
}

// message is the i-th of the messages that fill an object.
func (s *stage) message(i int) []byte {
	return append(fmt.Appendf(nil, "message %d ", i), bytes.Repeat([]byte("."), s.bulk)...)
}

// always is a size of reads.
func always(n int) func() int { return func() int { return n } }

// next reads one message, with reads of these sizes; a whole one takes one read.
func (f *file) next(size func() int) ([]byte, error) {
	for {
		if msg, rest, ok := f.stage.framing.decode(f.rest); ok {
			f.rest = rest
			return msg, nil
		}
		answer, err := f.try("read", size(), nil)
		switch {
		case err != nil:
			return nil, err
		case answer.Errno == "EINTR":
			continue
		case answer.Errno != "":
			return nil, fmt.Errorf("read: %s", answer.Errno)
		case f.stage.framing.whole:
			return f.stage.framing.text(answer.Data)
		case len(answer.Data) == 0:
			return nil, fmt.Errorf("the end, after %.40q", f.rest)
		}
		f.rest = append(f.rest, answer.Data...)
	}
}

// wide is room for most messages; widest is room for all but those that fill TCP.
const (
	wide   = 8 << 10
	widest = 1<<20 + 1<<10
)

// expect reads messages, and they must be these.
func (f *file) expect(want ...[]byte) {
	f.stage.Helper()
	for i, msg := range want {
		got, err := f.next(always(max(wide, len(msg)+1<<10)))
		if err != nil || !bytes.Equal(got, msg) {
			f.stage.Fatalf("message %d of %d: got %d bytes %.40q (%v), want %d bytes %.40q",
				i+1, len(want), len(got), got, err, len(msg), msg)
		}
	}
}

// completes is the end of a read that was started: it brought this message.
func (f *file) completes(msg []byte) {
	f.stage.Helper()
	answer, err := f.player.finish()
	check(f.stage, err)
	if answer.Errno != "" {
		f.stage.Fatalf("read: %s, want %.40q", answer.Errno, msg)
	}
	f.has(answer.Data, msg)
}

// has checks that data, which was read, is (with what was read before) this message.
func (f *file) has(data, msg []byte) {
	f.stage.Helper()
	var got []byte
	var err error
	if f.stage.framing.whole {
		got, err = f.stage.framing.text(data)
	} else {
		f.rest = append(f.rest, data...)
		got, err = f.next(always(wide))
	}
	if err != nil || !bytes.Equal(got, msg) {
		f.stage.Fatalf("got %.40q (%v), want %.40q", got, err, msg)
	}
}

// quiet checks that there is nothing to read. The file is left in blocking mode.
func (f *file) quiet() {
	f.stage.Helper()
	f.must("nonblock", 0, nil)
	answer, err := f.try("read", wide, nil)
	if err != nil || answer.Errno != f.stage.dry || len(f.rest)+len(answer.Data) > 0 {
		f.stage.Fatalf("read: %q %.40q%.40q (%v), want %q", answer.Errno, f.rest, answer.Data, err, f.stage.dry)
	}
	f.must("block", 0, nil)
}

// wait waits until these files' players, and nobody else, wait in the
// daemon; of a kernel's object, until they sleep.
func (s *stage) wait(files ...*file) {
	s.Helper()
	for _, f := range files {
		if !f.player.asleep(f.fd) {
			report := process{pid: f.player.pid}.report()
			time.AfterFunc(patience, f.player.kill) // then there is no answer
			answer, err := f.player.finish()
			s.Fatalf("it does not wait: %q %.40q (%v): %s", answer.Errno, answer.Data, err, report)
		}
	}
	if !s.native {
		check(s, s.tree.parked(len(files)))
	}
}

// dup is another descriptor of the open file.
func (f *file) dup() *file {
	f.stage.Helper()
	return &file{stage: f.stage, player: f.player, fd: f.must("dup", 0, nil).N}
}

// fork is the open file as a child has it.
func (f *file) fork() *file {
	f.stage.Helper()
	child := f.player.fork(f.stage, f.stage.tree.work, f.fd)
	f.stage.active = append(f.stage.active, child)
	own := &file{stage: f.stage, player: child, fd: 3}
	if strings.HasPrefix(f.stage.reader.path, "mq:") {
		own.must("mq-own", 0, nil)
	}
	return own
}

// close closes the descriptor.
func (f *file) close() {
	f.stage.Helper()
	f.must("close", 0, nil)
}

// poller watches the file with one of the calls that do so.
func (f *file) poller(how string, mask int) *watcher {
	f.stage.Helper()
	answer := f.player.must(f.stage, cue{Op: "poller", Flags: how, FD: f.fd, N: mask})
	return &watcher{f, how, answer.N}
}

// A watcher is poll, select or epoll of one file.
type watcher struct {
	*file
	how string
	n   int
}

// now is what the call says without waiting.
func (w *watcher) now(want string) {
	w.stage.Helper()
	answer := w.player.must(w.stage, cue{Op: "wait", FD: w.n})
	// epoll(7) may tell of an edge once or twice too often.
	for tries := 0; w.how == "epollet" && tries < 9 && string(answer.Data) != want; tries++ {
		answer = w.player.must(w.stage, cue{Op: "wait", FD: w.n})
	}
	if string(answer.Data) != want {
		w.stage.Fatalf("%s says %q, want %q", w.how, answer.Data, want)
	}
}

// woken has the player wait while something is done, which must wake it with what it wants.
func (w *watcher) woken(want string, by func()) {
	w.stage.Helper()
	check(w.stage, w.player.start(cue{Op: "wait", FD: w.n, N: int(patience.Milliseconds())}))
	if !w.player.asleep(-1) {
		w.stage.Fatal("it does not sleep")
	}
	by()
	answer, err := w.player.finish()
	check(w.stage, err)
	if string(answer.Data) != want {
		w.stage.Fatalf("%s was woken by %q, want %q", w.how, answer.Data, want)
	}
}
