package tests

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
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
}

// A walk does the same again and again, and the worker is killed at each place that it comes to.
type walk struct {
	t     *testing.T
	tr    *tree
	point *os.File
}

// ask has the worker killed when it has passed a point so often. The answer to it is hit.
func (w *walk) ask(point string, passes int) {
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
	retry("link", func() error { return unix.Link(at("shm/d/y"), at("shm/z")) })
	for _, name := range []string{"shm/d/y", "shm/z", "queues/x", "topics/x", "sockets/x", "fifos/x", "fifos/y",
		"sysv/queues/0x00004203"} {
		retry("rm "+name, func() error { return unix.Unlink(at(name)) })
	}
	retry("rmdir", func() error { return unix.Rmdir(at("shm/d")) })
	return failed
}

// TestKilledAtPoints: the worker of a tree with a keeper is killed at each place of its work, at every third time that
// it comes there, or with -storm 1 at each. No message is lost or comes twice, nothing fails, and what was done is not
// done again.
func TestKilledAtPoints(t *testing.T) {
	t.Parallel()
	soak(t)
	tr := bareTree(t)
	tr.dog.allow(5 * lifetime)
	tr.program = tr.work + "/ipcfs-points"
	out, err := exec.Command("go", "build", "-tags", "points", "-o", tr.program,
		"github.com/ipcfs/ipcfs/cmd/ipcfs").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w := &walk{t: t, tr: tr}
	w.point, err = os.Create(tr.work + "/point")
	check(t, err)
	defer w.point.Close()
	check(t, w.point.Truncate(64))
	tr.mounted(t, "--keeper=on")
	for _, name := range []string{"queues/q", "sysv/queues/0x00004201"} {
		check(t, os.WriteFile(tr.mnt+"/"+name, nil, 0600))
	}
	check(t, os.WriteFile(tr.mnt+"/ctl/new", []byte("topics/t slow=block depth=10\n"), 0))
	all := []string{"1", "2", "end"}
	kills := map[string]int{}
	moving := func(to, from string, access int, done string) func(func()) []string {
		return func(begin func()) []string { return w.moves(begin, to, from, access, done) }
	}
	const sysv = "sysv/queues/0x00004201"
	step := 3 // at each third pass, another one for the next point
	if *stormCount > 0 {
		step = 1
	}
	for _, walk := range []struct {
		name string
		do   func(begin func()) []string
		want []string
	}{
		{"queue", moving("queues/q", "queues/q", unix.O_RDONLY, ""), all},
		{"lines", moving("ctl/queues/q/lines", "ctl/queues/q/lines", unix.O_RDWR, ""), all},
		{"lease", moving("queues/q", "ctl/queues/q/lease", unix.O_RDWR, "ack\n"), all},
		{"topic", moving("topics/t", "topics/t", unix.O_RDONLY, ""), all},
		{"sysv", moving(sysv, sysv, unix.O_RDONLY, ""), all},
		{"names", w.names, nil},
	} {
		for i, point := range points {
			for passes := i % step; !t.Failed(); passes += step {
				got := walk.do(func() { w.ask(point, passes) })
				if !w.hit() {
					break
				}
				kills[point]++
				if !slices.Equal(got, walk.want) {
					t.Errorf("%s, killed at %q after %d passes: %q", walk.name, point, passes, got)
				}
			}
		}
	}
	t.Log(kills)
	for _, point := range points {
		if kills[point] == 0 && !t.Failed() {
			t.Errorf("it was never killed at %q", point)
		}
	}
}
