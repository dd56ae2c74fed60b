package tests

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// sleepingPrograms are programs as people write them. Each waits for messages at its last argument, says
// them, and ends after "two".
var sleepingPrograms = []struct {
	name, needs string
	polls       bool
	program     string
}{
	{"shell", "sh", false, `while read -r x; do echo "$x"; [ "$x" != two ] || break; done < "$0"`},
	{"bash", "bash", false, `while read -r x; do echo "$x"; [ "$x" != two ] || break; done < "$0"`},
	{"select", "python3", true, `
import os, select, sys
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
text = ""
while text != "two\n":
    assert select.select([fd], [], [fd]) == ([fd], [], [])
    text = os.read(fd, 100).decode()
    print(text, end="", flush=True)
`},
	{"epoll", "python3", true, `
import select, sys
f = open(sys.argv[1], "rb", buffering=0)
e = select.epoll()
e.register(f, select.EPOLLIN)
text = ""
while text != "two\n":
    assert e.poll() == [(f.fileno(), select.EPOLLIN)]
    text = f.read(100).decode()
    print(text, end="", flush=True)
`},
	{"edge", "cc", true, `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	char text[100];
	int fd = open(argv[1], O_RDONLY | O_NONBLOCK), ep = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e))
		return 1;
	for (;;) {
		if (epoll_wait(ep, &e, 1, -1) != 1 || e.events != EPOLLIN)
			return 2;
		for (int got = 0;; got = 1) {
			ssize_t n = read(fd, text, sizeof text);
			if (n < 0 && errno == EAGAIN && got)
				break;
			if (n <= 0 || write(1, text, n) != n)
				return 3;
			if (memmem(text, n, "two", 3))
				return 0;
		}
	}
}
`},
	{"go", "ipctool", true, "two"},
}

// sleeper is the command of a program, built if it has to be; nil: what it needs is not here.
func (tr *tree) sleeper(t *testing.T, name, needs, program, path string) *exec.Cmd {
	t.Helper()
	if _, missing := exec.LookPath(needs); missing != nil {
		t.Logf("%s: no %s", name, needs)
		return nil
	}
	switch needs {
	case "cc":
		at := tr.work + "/" + name
		check(t, os.WriteFile(at+".c", []byte(program), 0644))
		if out, err := exec.Command("cc", "-o", at, at+".c").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return tr.command(at, path)
	case "ipctool":
		return tr.command("ipctool", "says", program, path)
	}
	return tr.command(needs, "-c", program, path)
}

// TestKeeperPrograms: programs of all kinds sleep over the end of a worker, and wake as they should: those
// who read a queue or a topic, in read(2), select(2), epoll(7) by level or edge, one who writes to a full
// queue, one who waits for a call.
func TestKeeperPrograms(t *testing.T) {
	needsResend(t)
	t.Parallel()
	tr := mountTree(t, "--keeper=on")
	k := &keeper{t: t, tr: tr}
	crash := func() {
		pid, err := tr.pid()
		check(t, err)
		check(t, unix.Kill(pid, unix.SIGKILL))
	}
	k.sh(`echo 'queues/full maxmsg=1 msgsize=16' > $MNT/ctl/new; echo 1 > $MNT/queues/full; touch $MNT/sockets/s`)
	writer := tr.command("sh", "-c", `for i in 2 3 4; do echo $i || exit; done > $MNT/queues/full`)
	server := tr.command("bash", "-c", `exec 3<> $MNT/ctl/sockets/s/accept; read -r x <&3; echo "$x back" >&3`)
	check(t, writer.Start())
	check(t, server.Start())
	type running struct {
		*exec.Cmd
		what string
		said bytes.Buffer
	}
	var all []*running
	var objects []string
	reading := 0
	for _, p := range sleepingPrograms {
		for _, class := range []string{"queues", "topics"} {
			if class == "topics" && p.needs == "python3" {
				continue // it takes long to start, and tries nothing new
			}
			object := class + "/" + p.name
			cmd := tr.sleeper(t, p.name, p.needs, p.program, tr.mnt+"/"+object)
			if cmd == nil {
				continue
			}
			check(t, os.WriteFile(tr.mnt+"/"+object, nil, 0))
			r := &running{Cmd: cmd, what: object}
			r.Stdout, r.Stderr = &r.said, &r.said
			check(t, r.Start())
			all, objects = append(all, r), append(objects, object)
			if !p.polls {
				reading++
			}
		}
	}
	asleep := func() {
		k.sh(`cd $MNT/ctl; for o in ` + strings.Join(objects, " ") + `; do
			until grep -qx waiting_readers=1 $o/status; do sleep 0.01; done
		done
		until grep -qx waiting_writers=1 queues/full/status; do sleep 0.01; done`)
	}
	asleep()
	check(t, tr.parked(reading+2)) // and it waits for a call
	crash()
	k.sh(`cd $MNT; for o in ` + strings.Join(objects, " ") + `; do echo one > $o; done; [ "$(head -n1 queues/full)" = 1 ]`)
	asleep()
	crash()
	k.sh(`cd $MNT; for o in ` + strings.Join(objects, " ") + `; do echo two > $o; done
		for i in 2 3 4; do [ "$(head -n1 queues/full)" = $i ]; done
		exec 4<> ctl/sockets/s/dial; echo hello >&4; read -r x <&4; [ "$x" = 'hello back' ]`)
	for _, r := range all {
		if err := r.Wait(); err != nil || r.said.String() != "one\ntwo\n" {
			t.Errorf("%s: %v, it said %q", r.what, err, r.said.String())
		}
	}
	check(t, writer.Wait())
	check(t, server.Wait())
}
