package tests

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPidOne: as the first process of a pid namespace, which that of a container is, ipcfs waits for orphans
// of others, passes signals on, stays in the foreground, and ends with the status of what it was started for.
func TestPidOne(t *testing.T) {
	if *fusermount {
		t.Skip("an ordinary user makes no namespaces here")
	}
	for _, c := range []struct {
		name, command string
		status        int
	}{
		{"mount", `ipcfs --state-dir $STATE --maxmsg 10 --msgsize 128 $MNT`, 0},
		{"foreground", `ipcfs -f --state-dir $STATE --maxmsg 10 --msgsize 128 $MNT`, 0},
		{"without keeper", `ipcfs mount -f --keeper off --state-dir $STATE --maxmsg 10 --msgsize 128 $MNT`, 0},
		{"run", `ipcfs run --maxmsg 10 --msgsize 128 -- \
			sh -c "trap 'exit 7' TERM; echo live >&2; while :; do sleep 0.05; done"`, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := bareTree(t)
			first := tr.command("sh", "-c", "mount -t proc proc /proc && exec "+c.command)
			first.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID, Setpgid: true}
			said, err := first.StderrPipe()
			check(t, err)
			check(t, first.Start())
			lines := bufio.NewReader(said)
			text := ""
			for !strings.Contains(text, "live") {
				line, err := lines.ReadString('\n')
				if text += line; err != nil {
					t.Fatalf("%v: %s", first.Wait(), text)
				}
			}
			inside := func(script string) string {
				pid := strconv.Itoa(first.Process.Pid)
				out, err := tr.command("nsenter", "-m", "-p", "-t", pid, "sh", "-c", "cd $WORK; "+script).CombinedOutput()
				if err != nil {
					t.Errorf("%s: %v", out, err)
				}
				return string(out)
			}
			// The shell between ends at once, and the one that it has started has lost its parent.
			inside(`sh -c 'sh -c "echo \$PPID >orphan" &'; until [ -s orphan ]; do sleep 0.01; done`)
			if !eventually(patience, func() bool {
				return strings.TrimSpace(inside(`cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z 1 ' || :`)) == "0"
			}) {
				t.Error("zombies:", inside(`grep -s ') Z 1 ' /proc/[0-9]*/stat`))
			}
			if c.name != "run" {
				inside(`ipcfs status $MNT >said`)
				inside(`ls $MNT/queues`)
			}
			check(t, first.Process.Signal(unix.SIGTERM))
			rest, _ := io.ReadAll(lines)
			_ = first.Wait()
			if got := first.ProcessState.ExitCode(); got != c.status {
				t.Errorf("status %d, want %d: %v\n%s%s", got, c.status, first.ProcessState, text, rest)
			}
		})
	}
}
