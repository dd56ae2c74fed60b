package tests

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ipcfs/ipcfs/tests/ipctool"
	"golang.org/x/sys/unix"
)

// A conversation is what several processes do one after the other. A step is WHO OPERATION (ipctool
// talk), and ends in & if it is going to wait. The result of a step that waits is looked at before the
// next step of the same process; WHO done only waits for it.
type conversation struct {
	name  string
	steps []string
	// after are the steps when one of them has been killed, of those who are left and
	// of bystanders: they show what these see of it.
	after []string
}

// way is how those who talk reach one another: what dial, accept and
// other words of a conversation are for them.
type way struct {
	name     string
	listener *os.File // nil: a face listens
	words    map[string]string
}

// A cast is the processes that talk, by name.
type cast struct {
	t        *testing.T
	tr       *tree
	listener *os.File // their descriptor 3
	all      map[string]*talking
	log      []string // of the steps of this play
}

// talking is one of these processes.
type talking struct {
	cmd     *exec.Cmd
	in      io.Writer
	out     chan string
	tid     string
	waiting bool // for the result of a step
}

// who finds a process of the cast, or starts it.
func (c *cast) who(name string) *talking {
	if a := c.all[name]; a != nil {
		return a
	}
	cmd := c.tr.command("ipctool", "talk")
	cmd.Env = append(cmd.Env, undisturbed)
	cmd.Stderr = os.Stderr
	if c.listener != nil {
		cmd.ExtraFiles = []*os.File{c.listener}
	}
	in, err := cmd.StdinPipe()
	check(c.t, err)
	out, err := cmd.StdoutPipe()
	check(c.t, err)
	check(c.t, cmd.Start())
	a := &talking{cmd: cmd, in: in, out: make(chan string, 8)}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		c.t.Fatal("no thread:", lines.Err())
	}
	a.tid = lines.Text()
	go func() {
		defer close(a.out)
		for lines.Scan() {
			a.out <- lines.Text()
		}
	}()
	c.all[name] = a
	return a
}

// dismiss ends a process with SIGKILL and waits for its end. It does nothing if there is none of that name.
func (c *cast) dismiss(name string) {
	a := c.all[name]
	if a == nil {
		return
	}
	delete(c.all, name)
	check(c.t, a.cmd.Process.Kill())
	for range a.out {
		// until the end, after which Wait may close the pipe
	}
	_ = a.cmd.Wait()
}

// do takes a step and returns its result, after that of the step before if that one was waiting.
func (c *cast) do(name, op string) []string {
	op, waits := strings.CutSuffix(op, " &")
	a := c.who(name)
	said := c.finish(name, a)
	if op == "done" {
		return said
	}
	_, err := fmt.Fprintln(a.in, op)
	check(c.t, err)
	c.log = append(c.log, name+" "+op)
	a.waiting = true
	if !waits {
		return append(said, c.finish(name, a)...)
	}
	if !eventually(patience, func() bool { return len(a.out) > 0 || c.waits(a) }) {
		c.t.Fatalf("%s %s does not wait", name, op)
	}
	c.settled()
	return said
}

// finish waits for the result of a step.
func (c *cast) finish(name string, a *talking) []string {
	if !a.waiting {
		return nil
	}
	a.waiting = false
	line, ok := <-a.out
	if !ok {
		c.t.Fatalf("%s ended; what was done: %q", name, c.log)
	}
	return []string{name + " " + line}
}

// waits reports whether a process waits for another one of the cast, and not for the daemon to look up a
// name. Then it sleeps, without a break, while the daemon takes up a later request.
func (c *cast) waits(a *talking) bool {
	if !sleeping(a.tid) {
		return false
	}
	before := switches(a.tid)
	c.settled()
	return sleeping(a.tid) && switches(a.tid) == before
}

// switches is a line that changes whenever a thread goes to sleep (proc_pid_status(5)).
func switches(tid string) string {
	status, _ := os.ReadFile("/proc/" + tid + "/task/" + tid + "/status")
	_, line, _ := strings.Cut(string(status), "\nvoluntary_ctxt_switches:")
	return line
}

// sleeping reports whether a thread waits in a system call of a conversation,
// and not for its next step (proc_pid_syscall(5)).
func sleeping(tid string) bool {
	dir := "/proc/" + tid + "/task/" + tid
	text, err := os.ReadFile(dir + "/syscall")
	if err != nil || ipctool.ProcState(dir) != "S" {
		return false
	}
	var nr int
	var fd uint64
	if n, _ := fmt.Sscanf(string(text), "%d 0x%x", &nr, &fd); n != 2 {
		return false
	}
	calls := []int{
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_OPENAT, unix.SYS_CONNECT, unix.SYS_ACCEPT4, unix.SYS_PPOLL,
		unix.SYS_MQ_TIMEDSEND, unix.SYS_MQ_TIMEDRECEIVE,
	}
	return slices.Contains(calls, nr) && fd != 0 && !(nr == unix.SYS_WRITE && fd == 1)
}

// play has the first n steps of a conversation done, ends the victim, and returns what all others see then.
func (c *cast) play(talk conversation, w way, n int, victim string, end func(victim string)) string {
	var seen []string
	c.log = nil
	step := func(s string) {
		name, op, _ := strings.Cut(s, " ")
		op, waits := strings.CutSuffix(op, " &")
		word, rest, _ := strings.Cut(op, " ")
		switch word {
		case "need":
			op = "need " + w.word(rest)
		case "shout":
			op += " " + w.word("dial")
		case "hear":
			op += " " + w.word("accept")
		default:
			op = strings.TrimSuffix(w.word(word)+" "+rest, " ")
		}
		if waits {
			op += " &"
		}
		seen = append(seen, c.do(name, op)...)
		if op == "close" {
			c.settled()
		}
	}
	for _, both := range talk.steps[:n] {
		for s := range strings.SplitSeq(both, "; ") {
			step(s)
		}
	}
	seen = nil
	end(victim)
	c.settled()
	for _, s := range talk.after {
		if !strings.HasPrefix(s, victim+" ") {
			step(s)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.all)) {
		seen = append(seen, c.finish(name, c.all[name])...)
		c.do(name, "close")
	}
	return strings.Join(seen, "\n")
}

// settled waits until the daemon has taken up what was asked of it before. A close may return before the
// daemon has done it, but the daemon does it before the next request.
func (c *cast) settled() {
	if _, err := c.tr.status("pid"); err != nil {
		c.t.Fatalf("%v; what was done: %q", err, c.log)
	}
}

func (w way) word(word string) string {
	if op, ok := w.words[word]; ok {
		return op
	}
	return word
}

// sockets are conversations of a client C and a server S; P and Q are another client and another server.
var (
	talkServed = conversation{
		name: "served",
		steps: []string{
			"C dial", "C write he", "S accept", "S read", "S read &", "C write llo; S done", "C read &",
			"S write re; C done", "S read &",
		},
		after: []string{
			"P dial", "P write p", "P close",
			"S need accept-now", "S poll", "S rest", "S write y", "S write z", "S close",
			"Q accept-now", "Q write q", "Q close",
			"C poll", "C rest", "C write y", "C write z", "C close",
			"Q accept-now", "Q rest", "Q close", "Q accept-now",
		},
	}
	talkFull = conversation{
		name:  "full",
		steps: []string{"S accept &", "C dial; S done", "C write a", "S fill &"},
		after: talkServed.after,
	}
	// D came first, and there is no room for the others in the backlog.
	talkBacklog = conversation{
		name:  "backlog",
		steps: []string{"D shout d", "C shout c &", "E shout e &"},
		after: []string{"P shout p &", "S hear p"},
	}
	talkAsk = conversation{
		name: "ask",
		steps: []string{
			"C dial", "C write q", "C half", "C read &", "S accept", "S rest",
			"S write a; C done", "C rest &",
		},
		after: []string{
			"S need accept-now", "S poll", "S rest", "S write y", "S write z", "S close",
			"Q accept-now", "Q write q", "Q close",
			"C rest", "C close", "Q accept-now",
		},
	}
)

// TestKilledAtEachStep: two processes talk over a socket, and one is killed, at each
// step. Through a face the other one, and those who come next, see exactly what they see
// of a native socket. Nothing of it stays with the daemon.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"stream", "seqpacket", "tcp"} {
		for _, talk := range []conversation{talkServed, talkFull, talkBacklog, talkAsk} {
			if kind == "tcp" && talk.name == talkBacklog.name || kind == "seqpacket" && talk.name == talkAsk.name {
				// the backlog of TCP is not exact (listen(2)); there is no half of
				// a connection that keeps messages apart
				continue
			}
			t.Run(kind+" "+talk.name, func(t *testing.T) {
				t.Parallel()
				killEach(t, kind, talk)
			})
		}
	}
}

// killEach plays a conversation once for each of its steps and each of
// those who talk, first over native sockets.
func killEach(t *testing.T, kind string, talk conversation) {
	tr := mountTree(t)
	fds, err := tr.fds()
	check(t, err)
	backlog := 16
	if talk.name == talkBacklog.name {
		backlog = 0
	}
	want := map[string]string{}
	for _, w := range waysOf(t, tr, kind, backlog, talk.name == talkAsk.name) {
		c := &cast{t: t, tr: tr, listener: w.listener, all: map[string]*talking{}}
		// The daemon cannot poll the backlog of another program's socket: those who wait for room
		// in it look again and again, and get it in no order.
		if w.name != "face to native" || talk.name != talkBacklog.name {
			c.each(talk, w, func(where, got string) {
				if native, ok := want[where]; !ok {
					want[where] = got
				} else if got != native {
					t.Errorf("%s, %s:\n%s\nit is, with native sockets:\n%s", w.name, where, got, native)
				}
				check(t, tr.parked(0))
			})
		}
		for name := range c.all {
			c.dismiss(name)
		}
		if w.listener != nil {
			w.listener.Close()
		}
	}
	// One socket listens, at both loopback addresses if it is TCP's, and nothing else stays.
	now, listen := 0, 1
	if kind == "tcp" {
		listen = 2
	}
	if !eventually(patience, func() bool {
		now, err = tr.fds()
		return err != nil || now <= fds+listen
	}) || err != nil {
		t.Errorf("the daemon holds %d descriptors, before it was %d (%v)", now, fds, err)
	}
	status, err := exec.Command("sh", "-c",
		"cat "+tr.mnt+"/ctl/sockets/*/status "+tr.mnt+"/ctl/sockets/tcp/*/status").Output()
	if strings.Contains(string(status), "connection_") {
		t.Errorf("connections of the dead:\n%s (%v)", status, err)
	}
}

// left reports whether a step, for one of those who talk, is left to the long run. The usual run kills each
// of them at every third step, and another one at the next: of three who talk one is killed at each step.
func left(step int) bool { return step%often(3, 1) != 0 }

// each plays a conversation once for each of its steps and each of those who talk.
func (c *cast) each(talk conversation, w way, saw func(where, got string)) {
	for n := 1; n <= len(talk.steps); n++ {
		for i, victim := range []string{"C", "S", "D", "E"} {
			if !slices.ContainsFunc(talk.steps, func(s string) bool { return strings.HasPrefix(s, victim+" ") }) {
				continue
			}
			if n == 1 && w.name == "call" || left(n+i) {
				continue // call has not dialled yet
			}
			saw(fmt.Sprintf("%s, %s killed after step %d, %s", talk.name, victim, n, talk.steps[n-1]),
				c.play(talk, w, n, victim, c.dismiss))
		}
	}
}

// waysOf are the ways to talk over sockets of a kind; the first is native at both ends.
func waysOf(t *testing.T, tr *tree, kind string, backlog int, asks bool) []way {
	face := fmt.Sprint("face", backlog)
	native, nativeAt := listen(t, tr, kind, ".", backlog)
	bound, boundAt := listen(t, tr, kind, "mnt/sockets", backlog)
	dialBound, dialFace := "mnt/ctl/sockets/"+filepath.Base(boundAt)+"/", ""
	if kind == "tcp" {
		dialBound = "mnt/ctl/sockets/tcp/127.0.0.1:" + boundAt + "/"
		check(t, os.WriteFile(tr.mnt+"/sockets/tcp/:0", nil, 0644))
		names, err := filepath.Glob(tr.mnt + "/sockets/tcp/:*")
		check(t, err)
		face, dialFace = "tcp/"+filepath.Base(names[0]), strings.TrimPrefix(filepath.Base(names[0]), ":")
	} else {
		check(t, os.WriteFile(tr.mnt+"/ctl/new",
			fmt.Appendf(nil, "sockets/%s type=%s backlog=%d\n", face, kind, backlog), 0))
		dialFace = "mnt/ctl/sockets/" + face + "/sock"
	}
	ctl := "mnt/ctl/sockets/" + face + "/"
	accept, acceptNow := "open rdwr "+ctl+"accept", "open rdwr,nonblock "+ctl+"accept"
	ways := []way{
		{"native", native, map[string]string{"dial": "connect " + kind + " " + nativeAt, "fill": "fill-polling"}},
		{"face", nil, map[string]string{
			"dial": "open rdwr " + ctl + "dial", "half": "put wr " + ctl + "shutdown",
			"accept": accept, "accept-now": acceptNow,
		}},
		{"native to face", nil, map[string]string{
			"dial": "connect " + kind + " " + dialFace, "accept": accept, "accept-now": acceptNow,
		}},
		{"face to native", bound, map[string]string{
			"dial": "open rdwr " + dialBound + "dial", "half": "put wr " + dialBound + "shutdown",
			"fill": "fill-polling",
		}},
	}
	if asks {
		ways = append(ways, way{"call", nil, map[string]string{
			"dial": "open rdwr " + ctl + "call", "half": "nothing",
			"accept": accept, "accept-now": acceptNow,
		}})
	}
	return ways
}

// listen makes a native socket that listens, in a directory of the
// test's, and returns what connect needs to know.
func listen(t *testing.T, tr *tree, kind, dir string, backlog int) (*os.File, string) {
	family, typ, at := unix.AF_UNIX, ipctool.SockTypes[kind], fmt.Sprint(dir, "/bound", backlog)
	var sa unix.Sockaddr
	if kind == "tcp" {
		family, typ, sa = unix.AF_INET, unix.SOCK_STREAM, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	} else {
		// The whole path may be longer than an address.
		d, err := os.Open(tr.work + "/" + dir)
		check(t, err)
		defer d.Close()
		sa = &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), filepath.Base(at))}
	}
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC, 0)
	check(t, err)
	check(t, unix.Bind(fd, sa))
	check(t, unix.Listen(fd, backlog))
	if kind == "tcp" {
		local, err := unix.Getsockname(fd)
		check(t, err)
		at = fmt.Sprint(local.(*unix.SockaddrInet4).Port)
	}
	return os.NewFile(uintptr(fd), at), at
}
