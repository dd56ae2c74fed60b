package tests

import (
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/tests/ipctool"
	"golang.org/x/sys/unix"
)

// A goner is an open file of an object whose name goes.
type goner struct {
	kind, line, name string
	face             string // below ctl/KIND/NAME; "": the object itself
	flags            int
	half             bool // it is read in part before
	fd               int
	partner          int // another one who has it open; -1: none
	failed           error
	got              []string // what came of it
}

// String is which of the rows it is.
func (g *goner) String() string {
	access := [...]string{"r", "w", "rw"}[g.flags&unix.O_ACCMODE]
	return fmt.Sprintf("%s/%s %s half=%v", g.kind, g.face, access, g.half)
}

// goners are the kinds, how an object is made, and which faces there are beside those that are listed.
var goners = []struct {
	kind, line string // "directory", "bound": how else
	faces      []string
	often      bool // also in the usual run
}{
	{"topics", "slow=block depth=4 keep=2 retain=on", []string{"", "since/0", "records@1", "group/g"}, true},
	{"topics", "depth=4", []string{"", "since/0", "lines@0", "group/g"}, false},
	{"topics", "slow=drop-new depth=4", []string{""}, false},
	{"topics", "directory", nil, true},
	{"queues", "maxmsg=4 msgsize=64", []string{"", "prio/3", "next@1ms"}, true},
	{"sysv/queues", "qbytes=4096", []string{"", "type/1", "type/-2", "type/!4", "peek/0", "next@1ms"}, true},
	{"sockets", "", []string{""}, true},
	{"sockets", "bound", []string{""}, true},
	{"fifos", "mode=0600", nil, true},
	{"shm", "", nil, true},
	{"sysv/shm", "size=4096", nil, true},
}

// newGoner makes an object.
func (w *walk) newGoner(kind, name, line string) {
	w.t.Helper()
	at := kind + "/" + name
	switch line {
	case "bound":
		w.bound(at)
	case "directory":
		check(w.t, os.Mkdir(w.tr.mnt+"/"+at, 0755))
	default:
		check(w.t, os.WriteFile(w.tr.mnt+"/ctl/new", []byte(at+" "+line+"\n"), 0))
	}
}

// goners opens all faces of objects, each of one of its own.
func (w *walk) goners() (all []*goner) {
	for i, k := range goners {
		if !k.often && !*long {
			continue
		}
		name := func(n int) string {
			if strings.HasPrefix(k.kind, "sysv") {
				return fmt.Sprintf("%#010x", 0x5000+i<<8+n)
			}
			return fmt.Sprintf("g%d-%d", i, n)
		}
		w.newGoner(k.kind, name(0), k.line)
		list, err := os.ReadDir(w.tr.mnt + "/ctl/" + k.kind + "/" + name(0))
		check(w.t, err)
		check(w.t, os.Remove(w.tr.mnt+"/"+k.kind+"/"+name(0)))
		faces := k.faces
		for _, e := range list {
			if e.Type().IsRegular() {
				faces = append(faces, e.Name())
			}
		}
		n := 0
		for _, f := range faces {
			for _, flags := range []int{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR} {
				for _, half := range []bool{true, false} {
					if half && flags == unix.O_WRONLY || !half && flags != unix.O_WRONLY && !*long {
						continue
					}
					n++
					g := &goner{kind: k.kind, line: k.line, name: name(n), face: f, flags: flags, half: half, partner: -1}
					if f != "call" { // that is told a moment later that nobody is there, unless it waits
						g.flags |= unix.O_NONBLOCK
					}
					w.newGoner(k.kind, g.name, k.line)
					w.opens(g)
					all = append(all, g)
				}
			}
		}
	}
	return all
}

// opens opens it, and has messages be there.
func (w *walk) opens(g *goner) {
	at := w.tr.mnt + "/" + g.kind + "/" + g.name
	if g.kind == "sockets" {
		g.partner = w.open("ctl/sockets/"+g.name+"/dial", unix.O_RDWR)
	}
	if g.face != "" {
		at = w.tr.mnt + "/ctl/" + g.kind + "/" + g.name + "/" + g.face
	}
	g.fd, g.failed = ipctool.Retry(func() (int, error) { return unix.Open(at, g.flags|unix.O_CLOEXEC, 0) })
	if g.failed != nil {
		return
	}
	w.fills(g)
	if g.half {
		_, _ = ipctool.Retry(func() (int, error) { return unix.Read(g.fd, make([]byte, 3)) })
	}
}

// fills has messages be in what has its name, three or as many as it takes, or in a directory one that
// everybody has read.
func (w *walk) fills(g *goner) {
	at := w.tr.mnt + "/" + g.kind + "/" + g.name
	switch {
	case g.line == "directory" && g.half:
		check(w.t, os.WriteFile(at+"/t", []byte("first\n"), 0600))
		check(w.t, os.Remove(at+"/t"))
	case g.line == "directory":
	case g.kind == "sockets":
		_, _ = ipctool.Retry(func() (int, error) { return unix.Write(g.partner, []byte("first\n")) })
	case g.kind != "fifos" && !strings.HasSuffix(g.kind, "shm"):
		for _, text := range []string{"first\n", "second\n", "third\n"} {
			_ = os.WriteFile(at, []byte(text), 0)
		}
	}
}

var (
	digits  = regexp.MustCompile(`[0-9]+`)
	writers = regexp.MustCompile(`writer_pids(=\S*|":\[[^\]]*\])`) // who made the object may just have closed it
)

// looks is what is seen of it.
func (g *goner) looks() {
	if g.failed != nil {
		return
	}
	p := []unix.PollFd{{Fd: int32(g.fd), Events: unix.POLLIN | unix.POLLOUT}}
	_, err := ipctool.Retry(func() (int, error) { return unix.Poll(p, 0) })
	g.got = append(g.got, fmt.Sprint("poll ", p[0].Revents, " ", err))
	var st unix.Stat_t
	_, err = ipctool.Retry(func() (int, error) { return 0, unix.Fstat(g.fd, &st) })
	if strings.HasPrefix(g.face, "status") || g.face == "ctl" || g.face == "peer" {
		st.Size = 0 // as long as the numbers in it
	}
	g.got = append(g.got, fmt.Sprintf("mode %o links %d size %d times %v %v %v", st.Mode, st.Nlink, st.Size,
		st.Mtim.Sec == 0, st.Ctim.Sec == 0, err))
}

// reads reads once.
func (g *goner) reads() (more bool) {
	if g.failed != nil {
		return false
	}
	b := make([]byte, 4096)
	n, err := ipctool.Retry(func() (int, error) { return unix.Read(g.fd, b) })
	text := writers.ReplaceAllString(string(b[:max(n, 0)]), "writer_pids")
	g.got = append(g.got, fmt.Sprintf("read %q %v", digits.ReplaceAllString(text, "N"), err))
	return n > 0
}

// ends does all that may be done with it, and closes it.
func (g *goner) ends() {
	if g.partner >= 0 {
		defer unix.Close(g.partner)
	}
	if g.failed != nil {
		g.got = append(g.got, g.failed.Error())
		return
	}
	g.looks()
	for i := 0; i < 4 && g.reads(); i++ {
	}
	for _, call := range []struct {
		name string
		do   func() (int, error)
	}{
		{"pread", func() (int, error) { _, err := unix.Pread(g.fd, make([]byte, 64), 0); return 0, err }},
		{"write", func() (int, error) { return unix.Write(g.fd, []byte("nonsense\n")) }},
		{"truncate", func() (int, error) { return 0, unix.Ftruncate(g.fd, 0) }},
		{"chmod", func() (int, error) { return 0, unix.Fchmod(g.fd, 0640) }},
		{"chown", func() (int, error) { return 0, unix.Fchown(g.fd, 1000, 1000) }},
	} {
		n, err := ipctool.Retry(call.do)
		g.got = append(g.got, fmt.Sprint(call.name, " ", n, " ", err))
	}
	g.reads()
	g.looks()
	unix.Close(g.fd)
}

// trouble is what happens to a worker.
func (w *walk) trouble(what string) {
	w.t.Helper()
	switch what {
	case "kill":
		pid, err := w.tr.pid()
		check(w.t, err)
		check(w.t, unix.Kill(pid, unix.SIGKILL))
	case "upgrade":
		if out, err := w.tr.command("ipcfs", "upgrade", w.tr.mnt).CombinedOutput(); err != nil {
			w.t.Fatalf("%v\n%s", err, out)
		}
	}
}

// goesOn has all names go, and returns what comes of what is open when such a thing happens to the worker,
// right then, and once more after a first read.
func (w *walk) goesOn(what string, replaced bool) (all []*goner) {
	w.t.Helper()
	all = w.goners()
	for _, g := range all {
		if err := os.Remove(path.Join(w.tr.mnt, g.kind, g.name)); err != nil && !errors.Is(err, syscall.ENOENT) {
			w.t.Error(err)
		}
	}
	for _, g := range all {
		if replaced {
			w.newGoner(g.kind, g.name, g.line)
			w.fills(g)
		}
	}
	w.trouble(what)
	for _, g := range all {
		g.looks()
		g.reads()
	}
	w.trouble(what)
	for _, g := range all {
		g.ends()
		if replaced {
			check(w.t, os.Remove(path.Join(w.tr.mnt, g.kind, g.name)))
		}
	}
	return all
}

// TestGone: what is open of objects whose names are gone goes on after the worker was killed, or upgraded, as
// if nothing had happened, whether or not there are others of these names by now. When all is closed the
// keeper has nothing of it any more. The usual run has what was read in part, and no others of the names.
func TestGone(t *testing.T) {
	needsResend(t)
	t.Parallel()
	s := keptBy(t, mountTree(t, "--keeper=on"))
	s.tr.dog.allow(8 * lifetime)
	w := &walk{t: t, tr: s.tr}
	for _, replaced := range []bool{false, true}[:often(1, 2)] {
		want := w.goesOn("nothing", replaced)
		before := s.held()
		for _, what := range []string{"kill", "upgrade"} {
			began := time.Now()
			for i, g := range w.goesOn(what, replaced) {
				if !slices.Equal(g.got, want[i].got) {
					t.Errorf("%s, %s, replaced=%v:\n\t%q, want\n\t%q", g, what, replaced, g.got, want[i].got)
				}
			}
			s.holdsNoMore(before)
			t.Logf("%d rows, %s, in %v", len(want), what, time.Since(began))
		}
	}
}

// TestGoneUnseen: a queue that programs have open, and that another program removes natively while no worker
// is there to see it, goes on with what is left in it, and those who wait for it are told; also if there is
// another one of its name by then.
func TestGoneUnseen(t *testing.T) {
	needsResend(t)
	t.Parallel()
	s := keptBy(t, mountTree(t, "--keeper=on"))
	w := &walk{t: t, tr: s.tr}
	const sysv = "sysv/queues/0x00004210"
	for _, name := range []string{"queues/u", "queues/v", sysv} {
		check(t, os.WriteFile(s.tr.mnt+"/"+name, nil, 0600))
	}
	queue, lines := w.open("queues/u", unix.O_RDWR|unix.O_NONBLOCK), w.open("ctl/queues/u/lines", unix.O_RDONLY)
	other := w.open(sysv, unix.O_RDWR|unix.O_NONBLOCK)
	for _, fd := range []int{queue, lines, other} {
		defer unix.Close(fd)
	}
	w.put(queue, "1\n")
	w.put(queue, "2\n")
	w.put(other, "1\n")
	var waits []chan string
	for _, name := range []string{"queues/v", sysv, "ctl/" + sysv + "/type/7"} {
		fd, told := w.open(name, unix.O_RDONLY), make(chan string, 1)
		defer unix.Close(fd)
		if name == sysv {
			b := make([]byte, 8)
			_, err := unix.Read(fd, b)
			check(t, err)
		}
		waits = append(waits, told)
		go func() { told <- w.get(fd) }()
	}
	check(t, s.tr.parked(len(waits)))
	pid, err := s.tr.pid()
	check(t, err)
	check(t, unix.Kill(s.keeper, unix.SIGSTOP))
	check(t, unix.Kill(pid, unix.SIGKILL))
	dead := func() bool { return strings.HasPrefix(ipctool.ProcState(fmt.Sprint("/proc/", pid)), "Z") }
	if !eventually(patience, dead) {
		t.Fatal("SIGKILL has not ended the worker")
	}
	for _, args := range [][]string{
		{"mq-unlink", "/u"}, {"mq-unlink", "/v"}, {"sysv-rm", "0x4210"}, {"mq-create", "/u", "10", "128"},
	} {
		if out, err := s.tr.command("ipctool", args...).CombinedOutput(); err != nil {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
	check(t, unix.Kill(s.keeper, unix.SIGCONT))
	removed := syscall.EIDRM.Error()
	for i, told := range waits {
		if got := <-told; got != removed {
			t.Errorf("%d, who waits: %q", i, got)
		}
	}
	_, err = ipctool.Retry(func() (int, error) { return unix.Write(queue, []byte("3\n")) })
	_, err2 := ipctool.Retry(func() (int, error) { return unix.Write(other, []byte("3\n")) })
	got := []string{fmt.Sprint(err), fmt.Sprint(err2)}
	for _, fd := range []int{queue, lines, queue, lines, other} {
		got = append(got, w.get(fd))
	}
	if want := []string{removed, removed, "1", "2", removed, removed, removed}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q\n%s", got, want, s.tr.logs())
	}
}
