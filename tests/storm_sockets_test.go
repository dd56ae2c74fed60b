package tests

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// talk starts one side of those who talk. One that accepts is ready when it returns.
func (s *stormy) talk(side, how, where string, count int, more ...string) {
	s.t.Helper()
	args := append([]string{"storm-talk", side, how, where, strconv.Itoa(count)}, more...)
	cmd := s.tr.command("ipctool", args...)
	cmd.Stderr = os.Stderr
	if side == "accept" {
		out, err := cmd.StdoutPipe()
		check(s.t, err)
		defer func() {
			if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				s.t.Errorf("%s %s: %q, %v", how, where, line, err)
			}
		}()
	}
	check(s.t, cmd.Start())
	s.writers = append(s.writers, cmd)
}

// calls are calls that wait in a backlog while the worker is killed.
type calls struct {
	where, accept string
	list          []*os.File
}

func (c *calls) call(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		f, err := os.OpenFile(c.where, os.O_RDWR, 0)
		check(t, err)
		_, err = fmt.Fprintln(f, i)
		check(t, err)
		c.list = append(c.list, f)
	}
}

// take accepts them, in their order, and looks at what they say and how they end.
func (c *calls) take(t *testing.T) {
	t.Helper()
	for i, caller := range c.list {
		f, err := os.OpenFile(c.accept, os.O_RDWR, 0)
		check(t, err)
		lines := bufio.NewReader(f)
		if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintln(i) {
			t.Errorf("%s: call %d says %q, %v", c.accept, i, line, err)
		}
		_, err = f.WriteString("answer")
		check(t, err)
		answer := make([]byte, 16)
		if n, err := caller.Read(answer); err != nil || string(answer[:n]) != "answer" {
			t.Errorf("%s: call %d is answered %q, %v", c.accept, i, answer[:n], err)
		}
		check(t, caller.Close())
		if b, err := io.ReadAll(lines); err != nil || len(b) > 0 {
			t.Errorf("%s: call %d ends with %q, %v", c.accept, i, b, err)
		}
		check(t, f.Close())
	}
}

// kept is how many descriptors the keeper has.
func (s *stormy) kept() int {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.keeper))
	check(s.t, err)
	return len(list)
}

// holding is what a keeper has.
type holding struct{ descriptors, own, ledger int } // the memory in KiB: of its own, and of the ledger in all

// held is what the keeper has now.
func (s *stormy) held() holding {
	h := holding{descriptors: s.kept()}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.keeper))
	check(s.t, err)
	_, own, _ := strings.Cut(string(text), "RssAnon:")
	_, err = fmt.Sscan(own, &h.own)
	check(s.t, err)
	dir := fmt.Sprintf("/proc/%d/fd/", s.keeper)
	list, err := os.ReadDir(dir)
	check(s.t, err)
	for _, one := range list {
		var st unix.Stat_t
		if to, _ := os.Readlink(dir + one.Name()); strings.HasPrefix(to, "/memfd:") && unix.Stat(dir+one.Name(), &st) == nil {
			h.ledger += int(st.Blocks / 2)
		}
	}
	return h
}

// holdsNoMore checks that the keeper has what it had, but for little memory: Go collects garbage when there
// is some, and the ledger has room for as much as was at work at one time.
func (s *stormy) holdsNoMore(before holding) {
	s.t.Helper()
	const little = 16 << 10
	var now holding
	if !eventually(patience, func() bool {
		now = s.held()
		return now.descriptors <= before.descriptors && now.own <= before.own+little && now.ledger <= before.ledger+little
	}) {
		s.t.Errorf("the keeper has %+v, before it was %+v", now, before)
	}
	s.t.Logf("the keeper has %+v, before it was %+v", now, before)
}

// stormTree is a tree with a keeper, and a storm in it.
func stormTree(t *testing.T, limit time.Duration) *stormy {
	t.Helper()
	tr := mountTree(t, "--keeper=on")
	tr.dog.allow(limit + patience)
	t.Cleanup(func() {
		if t.Failed() {
			log := tr.logs()
			t.Log(log[max(0, len(log)-8000):])
		}
	})
	return keptBy(t, tr)
}

// keptBy is a tree with its keeper.
func keptBy(t *testing.T, tr *tree) *stormy {
	t.Helper()
	text, err := tr.status("keeper_pid")
	check(t, err)
	pid, err := strconv.Atoi(text)
	check(t, err)
	return &stormy{t: t, tr: tr, keeper: pid}
}

// TestSocketStorm: the worker is killed again and again while programs talk over connections of touched
// sockets and of TCP, through faces at both ends or at one, and calls wait to be accepted. No byte is lost or
// comes twice, no program meets an error or an end of file too soon, each call is taken once, and in the end
// the keeper has what it had.
func TestSocketStorm(t *testing.T) {
	needsResend(t)
	t.Parallel()
	count, kills, limit := stormSize()
	count = min(40*count, 1_000_000)
	s := stormTree(t, limit)
	mnt := s.tr.mnt
	before := s.held()
	for _, name := range []string{"long", "calls", "native", "waiting"} {
		check(t, os.WriteFile(mnt+"/sockets/"+name, nil, 0600))
	}
	ports := map[string]string{}
	for _, name := range []string{"tcp", "tcp waiting"} {
		ports[name] = s.port()
	}
	faces := func(name string) (dial, accept string) {
		return mnt + "/ctl/sockets/" + name + "/dial", mnt + "/ctl/sockets/" + name + "/accept"
	}
	waiting := []*calls{{where: mnt + "/sockets/waiting"}, {where: mnt + "/sockets/tcp/127.0.0.1:" + ports["tcp waiting"]}}
	_, waiting[0].accept = faces("waiting")
	_, waiting[1].accept = faces("tcp/:" + ports["tcp waiting"])
	for _, c := range waiting {
		c.call(t, 20)
	}
	short := count / 100
	between := func(how, dial, accept string, count int, more ...string) {
		s.talk("accept", how, accept, count)
		s.talk("dial", how, dial, count, more...)
	}
	dial, accept := faces("long")
	between("long", dial, accept, count)
	dial, accept = faces("calls")
	s.talk("accept", "short", accept, 3*short)
	for i := range 2 {
		s.talk("dial", "short", dial, short, strconv.Itoa(i*short))
	}
	sock, err := os.Readlink(mnt + "/ctl/sockets/calls/sock")
	check(t, err)
	s.talk("dial", "short", "unix:"+sock, short, strconv.Itoa(2*short))
	between("long", mnt+"/sockets/tcp/127.0.0.1:"+ports["tcp"], mnt+"/ctl/sockets/tcp/:"+ports["tcp"]+"/accept", count)
	between("short", mnt+"/ctl/sockets/bound/dial", "unix:"+mnt+"/sockets/bound", short, "0")
	began := time.Now()
	s.rage(kills, limit, func() time.Duration { return time.Duration(50+rand.IntN(450)) * time.Millisecond })
	t.Logf("%d numbers each way, %d calls, %d kills, %d upgrades, %v", count, short, s.kills, s.upgrades,
		time.Since(began).Round(time.Millisecond))
	for _, c := range waiting {
		c.take(t)
	}
	for _, name := range []string{
		"long", "calls", "native", "waiting", "tcp/:" + ports["tcp"], "tcp/:" + ports["tcp waiting"],
	} {
		check(t, os.Remove(mnt+"/sockets/"+name))
	}
	s.holdsNoMore(before)
}

// port listens at a free port, through a face.
func (s *stormy) port() string {
	s.t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(s.t, err)
	defer unix.Close(fd)
	check(s.t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	at, err := unix.Getsockname(fd)
	check(s.t, err)
	port := strconv.Itoa(at.(*unix.SockaddrInet4).Port)
	unix.Close(fd)
	check(s.t, os.WriteFile(s.tr.mnt+"/sockets/tcp/:"+port, nil, 0600))
	return port
}
