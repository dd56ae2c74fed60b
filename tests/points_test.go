package tests

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ipcfs/ipcfs/tests/ipctool"
	"golang.org/x/sys/unix"
)

// points are the places in its work where a worker is killed.
var points = []string{
	"taken up",                                // a request was read
	"receiving", "received", "noted received", // around the system call that receives
	"sending", "sent", "noted sent", // and the one that sends
	"answering", "saving", "saved", // what goes into the ledger, in this order
	"committing", "answered", "told", // around the answer
	"acting", "made", "acted", "noted act", // what makes, moves or removes a name
	"moving", "dialled", "moved", "noted moved", "accepted", // what connects, and moves bytes of a connection
}

// instant is the place behind accept(2) where the kernel ends the call together with the worker.
const instant = "accepting"

// A walk does the same again and again, and the worker is killed at each place that it comes to.
type walk struct {
	t     *testing.T
	tr    *tree
	point *os.File
	asked string // the point
	lost  int    // calls that were, though it was not asked for the instant: see talks
}

// ask has the worker killed when it has passed a point so often. The answer to it is hit.
func (w *walk) ask(point string, passes int) {
	w.asked = point
	b := make([]byte, 64)
	copy(b[8:], point)
	binary.NativeEndian.PutUint64(b, uint64(passes))
	_, err := w.point.WriteAt(b, 0)
	check(w.t, err)
}

// hit reports whether the worker was killed, and asks for no more.
func (w *walk) hit() bool {
	b := make([]byte, 64)
	_, err := w.point.ReadAt(b, 0)
	check(w.t, err)
	_, err = w.point.WriteAt(make([]byte, 64), 0)
	check(w.t, err)
	return b[8] == 0
}

func (w *walk) open(path string, flags int) int {
	w.t.Helper()
	fd, err := ipctool.Retry(func() (int, error) {
		return unix.Open(w.tr.mnt+"/"+path, flags|unix.O_CLOEXEC, 0)
	})
	check(w.t, err)
	return fd
}

func (w *walk) put(fd int, text string) {
	w.t.Helper()
	n, err := ipctool.Retry(func() (int, error) { return unix.Write(fd, []byte(text)) })
	if err != nil || n != len(text) {
		w.t.Errorf("write %q: %d, %v", text, n, err)
	}
}

// get is what one read gives.
func (w *walk) get(fd int) string {
	b := make([]byte, 128)
	n, err := ipctool.Retry(func() (int, error) { return unix.Read(fd, b) })
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b[:n]))
}

// moves sends three messages to one who waits, and three before they are read, and returns what was read.
func (w *walk) moves(begin func(), to, from string, access int, done string) (got []string) {
	r := w.open(from, access)
	in := w.open(to, unix.O_WRONLY)
	defer unix.Close(in)
	defer unix.Close(r)
	first := make(chan string, 1)
	go func() { first <- w.get(r) }()
	check(w.t, w.tr.parked(1))
	begin()
	w.put(in, "1\n")
	w.put(in, "2\n")
	w.put(in, "end\n")
	for text := <-first; ; text = w.get(r) {
		if got = append(got, strings.Fields(text)...); done != "" {
			w.put(r, done)
		}
		if len(got) > 2 {
			break
		}
	}
	check(w.t, unix.SetNonblock(r, true))
	if text := w.get(r); text != unix.EAGAIN.Error() {
		got = append(got, text)
	}
	slices.Sort(got) // from a lease one may go back behind the others
	return got
}

// errs notes an error if there is one.
func errs(list *[]string, what string, err error) {
	if err != nil {
		*list = append(*list, fmt.Sprint(what, ": ", err))
	}
}

// names makes, moves and removes names, and returns what failed.
func (w *walk) names(begin func()) (failed []string) {
	begin()
	at := func(name string) string { return w.tr.mnt + "/" + name }
	retry := func(what string, f func() error) {
		_, err := ipctool.Retry(func() (int, error) { return 0, f() })
		errs(&failed, what, err)
	}
	for name, how := range map[string]int{
		"shm/x": unix.O_EXCL, "queues/x": unix.O_EXCL, "topics/x": unix.O_EXCL, "sockets/x": unix.O_EXCL,
		"sysv/queues/0x00004203": unix.O_EXCL, "fifos/y": 0, // which nobody can make so
	} {
		fd, err := ipctool.Retry(func() (int, error) {
			return unix.Open(at(name), unix.O_CREAT|how|unix.O_RDWR|unix.O_CLOEXEC, 0600)
		})
		if errs(&failed, "make "+name, err); err == nil {
			unix.Close(fd)
		}
	}
	retry("mkfifo", func() error { return unix.Mkfifo(at("fifos/x"), 0600) })
	retry("mkdir", func() error { return unix.Mkdir(at("shm/d"), 0700) })
	retry("rename", func() error { return unix.Rename(at("shm/x"), at("shm/d/y")) })
	retry("mknod", func() error { return unix.Mknod(at("shm/w"), unix.S_IFREG|0600, 0) })
	was := [2]uint64{inode(at("shm/d/y")), inode(at("shm/w"))}
	retry("exchange", func() error {
		return unix.Renameat2(unix.AT_FDCWD, at("shm/w"), unix.AT_FDCWD, at("shm/d/y"), unix.RENAME_EXCHANGE)
	})
	if is := [2]uint64{inode(at("shm/w")), inode(at("shm/d/y"))}; is != was {
		failed = append(failed, fmt.Sprint("exchanged: ", is, ", want ", was))
	}
	retry("link", func() error { return unix.Link(at("shm/d/y"), at("shm/z")) })
	for _, name := range []string{"shm/d/y", "shm/w", "shm/z", "queues/x", "topics/x", "sockets/x", "fifos/x", "fifos/y",
		"sysv/queues/0x00004203"} {
		retry("rm "+name, func() error { return unix.Unlink(at(name)) })
	}
	retry("rmdir", func() error { return unix.Rmdir(at("shm/d")) })
	return failed
}

// inode is which object a name leads to, 0 if to none.
func inode(name string) uint64 {
	var st unix.Stat_t
	if unix.Lstat(name, &st) != nil {
		return 0
	}
	return st.Ino
}

// lines has ctl/new make objects, as their owner, and returns what is not so.
func (w *walk) lines(begin func()) (failed []string) {
	begin()
	cmd := w.tr.command("sh", "-c", `printf '%s\n' 'queues/n maxmsg=5 msgsize=64' 'topics/n depth=3' \
		'sockets/n type=seqpacket' 'sysv/queues/0x00004204 qbytes=4096' 'shm/n' \
		'sysv/shm/0x00004205 size=4096' > $MNT/ctl/new &&
		: > $MNT/queues/o && mkfifo $MNT/fifos/o && mkdir $MNT/topics/o`)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
	out, err := cmd.CombinedOutput()
	errs(&failed, "ctl/new "+string(out), err)
	for name, fact := range map[string]string{
		"queues/n": "maxmsg=5", "topics/n": "depth=3", "sockets/n": "type=seqpacket", "shm/n": "",
		"sysv/queues/0x00004204": "qbytes=4096", "sysv/shm/0x00004205": "bytes=4096",
		"queues/o": "", "fifos/o": "", "topics/o": "",
	} {
		at := w.tr.mnt + "/ctl/" + name
		text, err := os.ReadFile(at + "/status")
		if ctl, e := os.ReadFile(at + "/ctl"); e == nil { // a directory has none
			text = append(text, ctl...)
		}
		for _, want := range []string{fact, "uid=1000"} {
			if err != nil || !slices.Contains(strings.Fields(string(text)), want) && want != "" {
				failed = append(failed, fmt.Sprint(name, " has no ", want, ": ", string(text), err))
			}
		}
		errs(&failed, "rm", os.Remove(w.tr.mnt+"/"+name))
	}
	return failed
}

// hears reads so many words, or to the end.
func (w *walk) hears(fd, most int) (words []string) {
	for len(words) < most {
		text := w.get(fd)
		if text == "" {
			return append(words, "end")
		}
		words = append(words, strings.Fields(text)...)
	}
	return words
}

// talks has a client and a server talk over a stream, and returns what the server has heard, and then the
// client. Killed in the instant behind accept(2), a worker loses that one call (docs/semantics.md): the
// client, who reads to the end of it, calls once more.
func (w *walk) talks(begin func(), accept, dial string) (heard []string) {
	served := make(chan []string, 1)
	go func() {
		defer close(served)
		check(w.t, w.tr.join())
		fd := w.open(accept, unix.O_RDWR)
		defer unix.Close(fd)
		heard := w.hears(fd, 2)
		w.put(fd, "answer\n")
		served <- append(heard, w.hears(fd, 1)...)
	}()
	check(w.t, w.tr.parked(1))
	begin()
	for range 2 {
		fd := w.open(dial, unix.O_RDWR)
		for _, text := range []string{"1\n", "2\n"} { // where it is lost, the answer does not come
			_, _ = ipctool.Retry(func() (int, error) { return unix.Write(fd, []byte(text)) })
		}
		heard = w.hears(fd, 1)
		check(w.t, unix.Close(fd))
		if heard[0] == "answer" {
			break
		}
		w.loses()
	}
	return append(<-served, heard...)
}

// loses notes that a call was lost.
func (w *walk) loses() {
	if w.asked != instant {
		w.lost++
	}
}

// bound is a socket that this program binds in the tree.
func (w *walk) bound(name string) int {
	w.t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(w.t, err)
	w.t.Cleanup(func() { unix.Close(fd) })
	dir, err := unix.Open(w.tr.mnt+"/"+path.Dir(name), unix.O_PATH|unix.O_CLOEXEC, 0)
	check(w.t, err)
	defer unix.Close(dir)
	check(w.t, unix.Bind(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir, path.Base(name))}))
	check(w.t, unix.Listen(fd, 8))
	return fd
}

// visits has a client talk to a server that a program has bound, and returns what the server has heard of all
// who have called, and then the client.
func (w *walk) visits(begin func(), server int, dial string) (heard []string) {
	served := make(chan []string, 1)
	go func() {
		defer close(served)
		fd, err := ipctool.Retry(func() (int, error) { fd, _, err := unix.Accept(server); return fd, err })
		check(w.t, err)
		defer unix.Close(fd)
		heard := w.hears(fd, 2)
		w.put(fd, "answer\n")
		served <- append(heard, w.hears(fd, 1)...)
	}()
	begin()
	fd := w.open(dial, unix.O_RDWR)
	w.put(fd, "1\n")
	w.put(fd, "2\n")
	heard = w.hears(fd, 1)
	check(w.t, unix.Close(fd))
	return append(<-served, heard...)
}

// asks has a client ask two times by one open file, and returns what the server has heard, and then the
// client. A call that is lost as in talks gets no answer, and is asked once more.
func (w *walk) asks(begin func()) (heard []string) {
	served := make(chan []string, 1)
	go func() {
		defer close(served)
		check(w.t, w.tr.join())
		var heard []string
		for _, answer := range []string{"1.\n", "2.\n"} {
			fd := w.open("ctl/sockets/s/accept", unix.O_RDWR)
			heard = append(heard, w.hears(fd, 9)...)
			w.put(fd, answer)
			unix.Close(fd)
		}
		served <- heard
	}()
	check(w.t, w.tr.parked(1))
	begin()
	fd := w.open("ctl/sockets/s/call", unix.O_RDWR)
	ask := func(answer string, texts ...string) (heard []string) {
		for range 2 {
			for _, text := range texts {
				_, _ = ipctool.Retry(func() (int, error) { return unix.Write(fd, []byte(text)) })
			}
			if heard = w.hears(fd, 9); heard[0] == answer {
				break
			}
			w.loses()
		}
		return heard
	}
	heard = append(ask("1.", "1\n", "2\n"), ask("2.", "3\n")...)
	check(w.t, unix.Close(fd))
	return append(<-served, heard...)
}

// moved are the messages that came to an object and went from it, and their bytes.
type moved struct{ in, out, inBytes, outBytes int }

// counts are those numbers of an object's status: in and out say how they are called.
func (w *walk) counts(of, in, out string) (m moved) {
	if of == "" {
		return m
	}
	text, err := os.ReadFile(w.tr.mnt + "/ctl/" + of + "/status")
	check(w.t, err)
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		n, _ := strconv.Atoi(value)
		switch key {
		case in:
			m.in = n
		case out:
			m.out = n
		case in + "_bytes":
			m.inBytes = n
		case out + "_bytes":
			m.outBytes = n
		}
	}
	return m
}

// killable is a tree with a keeper, whose workers can be killed at points.
func killable(t *testing.T) *walk {
	t.Helper()
	tr := bareTree(t)
	tr.dog.allow(8 * lifetime)
	tr.program = tr.work + "/ipcfs-points"
	out, err := exec.Command("go", "build", "-tags", "points", "-o", tr.program,
		"github.com/ipcfs/ipcfs/cmd/ipcfs").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w := &walk{t: t, tr: tr}
	w.point, err = os.Create(tr.work + "/point")
	check(t, err)
	t.Cleanup(func() { w.point.Close() })
	check(t, w.point.Truncate(64))
	tr.mounted(t, "--keeper=on")
	return w
}

// TestKilledAtPoints: the worker of a tree with a keeper is killed at each place of its work, at every third
// time that it comes there, or with -storm 1 at each. No message is lost or comes twice, nothing fails, and
// what was done is not done again.
func TestKilledAtPoints(t *testing.T) {
	needsResend(t)
	t.Parallel()
	soak(t)
	w := killable(t)
	tr := w.tr
	for _, name := range []string{"queues/q", "sysv/queues/0x00004201"} {
		check(t, os.WriteFile(tr.mnt+"/"+name, nil, 0600))
	}
	check(t, os.WriteFile(tr.mnt+"/ctl/new", []byte("topics/t slow=block depth=10\n"), 0))
	check(t, os.WriteFile(tr.mnt+"/sockets/s", nil, 0600))
	s := &stormy{t: t, tr: tr}
	port := s.port()
	all := []string{"1", "2", "end"}
	kills := map[string]int{}
	moving := func(to, from string, access int, done string) func(func()) []string {
		return func(begin func()) []string { return w.moves(begin, to, from, access, done) }
	}
	const sysv, lines = "sysv/queues/0x00004201", "ctl/queues/q/lines"
	talking := func(accept, dial string) func(func()) []string {
		return func(begin func()) []string { return w.talks(begin, accept, dial) }
	}
	talked := []string{"1", "2", "end", "answer"}
	server := w.bound("sockets/b")
	visiting := func(begin func()) []string { return w.visits(begin, server, "ctl/sockets/b/dial") }
	at, walked := append(slices.Clone(points), instant), 0
	step := 3 // at each third pass, another one for the next point
	if *stormCount == 1 {
		step = 1
	}
	walks := []struct {
		name string
		do   func(begin func()) []string
		want []string
		// what tells of the messages that came and went, and how; "": nothing
		counted, in, out string
		bytes            int // of the messages of one call
	}{
		{"queue", moving("queues/q", "queues/q", unix.O_RDONLY, ""), all, "queues/q", "sent", "received", 8},
		{"lines", moving(lines, lines, unix.O_RDWR, ""), all, "queues/q", "sent", "received", 5},
		{"lease", moving("queues/q", "ctl/queues/q/lease", unix.O_RDWR, "ack\n"), all, "", "", "", 0},
		{"topic", moving("topics/t", "topics/t", unix.O_RDONLY, ""), all, "topics/t", "published", "received", 8},
		{"sysv", moving(sysv, sysv, unix.O_RDONLY, ""), all, "", "", "", 0},
		{"names", w.names, nil, "", "", "", 0},
		{"socket", talking("ctl/sockets/s/accept", "ctl/sockets/s/dial"), talked, "", "", "", 0},
		{"TCP", talking("ctl/sockets/tcp/:"+port+"/accept", "sockets/tcp/127.0.0.1:"+port), talked, "", "", "", 0},
		{"bound", visiting, talked, "", "", "", 0},
		{"call", w.asks, []string{"1", "2", "end", "3", "end", "1.", "end", "2.", "end"}, "", "", "", 0},
		{"ctl/new", w.lines, nil, "", "", "", 0},
	}
	for _, walk := range walks {
		t.Run(walk.name, func(t *testing.T) {
			check(t, tr.join())
			w.t = t
			walked++
			calls := 0
			was := w.counts(walk.counted, walk.in, walk.out)
			for i, point := range at {
				for passes := i % len(points) % step; !t.Failed(); passes += step {
					got := walk.do(func() { w.ask(point, passes) })
					calls++
					if !w.hit() {
						break
					}
					kills[point]++
					if !slices.Equal(got, walk.want) {
						t.Errorf("%s, killed at %q after %d passes: %q", walk.name, point, passes, got)
					}
					if walk.counted == "" {
						continue
					}
					now, n, bytes := w.counts(walk.counted, walk.in, walk.out), 3*calls, walk.bytes*calls
					if now != (moved{was.in + n, was.out + n, was.inBytes + bytes, was.outBytes + bytes}) {
						t.Errorf("%s, killed at %q after %d passes: of %d messages, %d bytes, it has counted %v, before %v",
							walk.name, point, passes, n, bytes, now, was)
					}
				}
			}
		})
	}
	w.t = t
	t.Log(kills)
	// Another thread has to be in that instant when one comes to its point.
	if w.lost > 3 {
		t.Errorf("%d calls were lost", w.lost)
	}
	for _, point := range at {
		if kills[point] == 0 && !t.Failed() && walked == len(walks) { // else -run named some of them
			t.Errorf("it was never killed at %q", point)
		}
	}
}
