package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDemo: the README's first command needs nothing, checks itself and leaves nothing behind.
func TestDemo(t *testing.T) {
	t.Parallel()
	tr := bareTree(t)
	out, err := tr.command("ipcfs", "demo").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, shown := range []string{"queues/", "shm/", "fifos/", "sockets/"} {
		if !strings.Contains(string(out), shown) {
			t.Errorf("it does not show %s:\n%s", shown, out)
		}
	}
}

// TestDemoWithoutPython: without python3 the demo leaves out what needs it,
// says so, and all else still goes as expected.
func TestDemoWithoutPython(t *testing.T) {
	t.Parallel()
	tr := bareTree(t)
	bin := filepath.Join(tr.work, "bin")
	check(t, os.Mkdir(bin, 0755))
	for tool := range strings.FieldsSeq("awk cat cmp cut date dd env find grep head ipcfs ln ls " +
		"mkdir mkfifo mv rm sed seq sh sort " +
		"stat tail test touch tr truncate wc") {
		path, err := exec.LookPath(tool)
		check(t, err)
		check(t, os.Symlink(path, filepath.Join(bin, tool)))
	}
	cmd := tr.command(filepath.Join(bin, "ipcfs"), "demo")
	cmd.Env = append(cmd.Env, "PATH="+bin)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "left out, there is no python3 here") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDemoAsUser: in the namespaces that an ordinary user has made, the kernel shows no ids but that user's.
func TestDemoAsUser(t *testing.T) {
	t.Parallel()
	tr := userTree(t)
	cmd := tr.command("ipctool", "as", "1000", "ipcfs", "demo")
	cmd.Env = append(cmd.Env, "TMPDIR=/tmp")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestRunAsUser: what belongs to no other user in the tree belongs to the user who runs it.
func TestRunAsUser(t *testing.T) {
	t.Parallel()
	tr := userTree(t)
	// The directories of classes, those in them, and a remote address, which is there without being made.
	const script = `cd $IPCFS && touch queues/q sysv/queues/0x4101 sysv/queues/0x4102 topics/t &&
		touch sockets/s sockets/tcp/:0 sockets/udp/:0 &&
		find . sockets/tcp/localhost:80 sockets/udp/localhost:53 ctl/sockets/tcp/localhost:80/dial ! -uid $(id -u) &&
		exec 3<>sockets/udp/localhost:9 && rm sysv/queues/*0*`
	cmd := tr.command("ipctool", "as", "1000", "ipcfs", "run", "--maxmsg=10", "--msgsize=128", "--",
		"sh", "-c", script)
	cmd.Env = append(cmd.Env, "TMPDIR=/tmp")
	out, err := cmd.CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestRun: a command with a private tree.
func TestRun(t *testing.T) {
	t.Parallel()
	tr := bareTree(t)
	for _, c := range []struct {
		script string
		status int
		out    string
	}{
		{"echo hello >$IPCFS/queues/q; head -n1 $IPCFS/queues/q", 0, "hello"},
		{"echo shm >$IPCFS/shm/m; cat /dev/shm/m", 0, "shm"},
		{"cd $IPCFS/fifos && mkfifo f && { echo fifo >f & cat f; }", 0, "fifo"},
		{"cd $IPCFS/sockets && touch s && { echo sock >s & cat s; }", 0, "sock"},
		{"ipctool mq-create q 1 1; ls $IPCFS/queues", 0, "q"},
		{"cat $0", 0, "from stdin"},
		{"exit 7", 7, ""},
		{"exit 2", 2, ""},
		{"kill -TERM $$", 128 + int(unix.SIGTERM), ""},
		{"sleep 1000 & echo left behind", 0, "left behind"},
		{"ls $IPCFS/queues $IPCFS/shm | grep -c '^[qm]$'", 1, "0"},
	} {
		cmd := tr.command("ipcfs", "run", "--", "sh", "-c", c.script, "/dev/stdin")
		cmd.Stdin = strings.NewReader("from stdin")
		out, err := cmd.CombinedOutput()
		status := cmd.ProcessState.ExitCode()
		if status != c.status || strings.TrimSpace(string(out)) != c.out {
			t.Errorf("%s: status %d, want %d (%v); it printed %q, want %q", c.script, status, c.status, err, out, c.out)
		}
	}
	for _, c := range []struct {
		args   []string
		status int
	}{{[]string{"run", "--", "/no/such/command"}, 127}, {[]string{"run", "--", "/dev/null"}, 126}} {
		cmd := tr.command("ipcfs", c.args...)
		if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != c.status || len(out) == 0 {
			t.Errorf("%v: %v %s, want status %d and a reason", cmd, cmd.ProcessState, out, c.status)
		}
	}
}

// TestRunKilled: when run is killed, the command and the tree end with it.
func TestRunKilled(t *testing.T) {
	t.Parallel()
	tr := bareTree(t)
	cmd := tr.command("ipcfs", "run", "--", "sh", "-c",
		"touch $IPCFS/queues/q; echo ready; exec head -n1 $IPCFS/queues/q")
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	buf := make([]byte, 5)
	if _, err := out.Read(buf); err != nil {
		t.Fatal(err)
	}
	check(t, cmd.Process.Kill())
	if err := cmd.Wait(); err == nil {
		t.Error("it was killed and tells of success")
	}
	// leftovers checks that nothing of run is left.
}
