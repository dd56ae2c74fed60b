package tests

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNotify: a daemon that a service manager started tells it that the tree is live, that it lives, and that
// it ends. The name of a mount point adds no line. A keeper does the same.
func TestNotify(t *testing.T) {
	t.Parallel()
	for _, keeper := range []string{"--keeper=off", "--keeper=on"} {
		t.Run(keeper, func(t *testing.T) {
			t.Parallel()
			notifies(t, keeper)
		})
	}
}

func notifies(t *testing.T, keeper string) {
	tr := bareTree(t)
	tr.mnt += "/a\nREADY=0"
	if out, err := tr.run("mkdir", tr.mnt); err != nil {
		t.Fatal(out)
	}
	socket := tr.work + "/notify"
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	check(t, err)
	defer conn.Close()
	told := func() []string {
		t.Helper()
		check(t, conn.SetReadDeadline(time.Now().Add(patience)))
		b := make([]byte, 4096)
		n, err := conn.Read(b)
		check(t, err)
		return strings.Split(string(b[:n]), "\n")
	}
	await := func(want ...string) {
		t.Helper()
		for got := told(); !slices.Equal(got, want); got = told() {
			if !slices.Equal(got, []string{"WATCHDOG=1"}) {
				t.Fatalf("%q, want %q", got, want)
			}
		}
	}
	daemon := tr.command("ipcfs", "-f", keeper, "--state-dir", tr.state, tr.mnt)
	daemon.Env = append(daemon.Env, "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=90000")
	check(t, daemon.Start())
	name := tr.work + "/mnt/a%0AREADY=0"
	await("READY=1", "STATUS=live at "+name)
	await("WATCHDOG=1")
	await("WATCHDOG=1")
	check(t, daemon.Process.Signal(syscall.SIGTERM))
	await("STOPPING=1", "STATUS=unmounting "+name)
	check(t, daemon.Wait())
}

// TestResident: a daemon that has just begun holds 12 MiB at most, and with a keeper both hold 14
// (proc_pid_smaps(5): of what they share each has its part).
func TestResident(t *testing.T) {
	t.Parallel()
	if raceSlows > 1 {
		t.Skip("a race-built daemon holds more")
	}
	tr := mountTree(t)
	sum := func(line string, keys ...string) (kB int) {
		for _, key := range keys {
			pid, err := tr.status(key)
			if err != nil {
				continue // it has no keeper
			}
			text, err := os.ReadFile("/proc/" + pid + "/smaps_rollup")
			check(t, err)
			var one int
			_, after, _ := strings.Cut(string(text), "\n"+line+":")
			if _, err := fmt.Sscan(after, &one); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			kB += one
		}
		return kB
	}
	// On an emulated machine, whose files are in memory, more of a program is mapped at once.
	if kB := sum("Rss", "pid"); kB > 12<<10 && !slow() {
		t.Errorf("%d kB", kB)
	}
	kB := sum("Pss", "pid", "keeper_pid")
	if t.Logf("%d kB with the keeper", kB); kB > 14<<10 {
		t.Error("with the keeper it is too much")
	}
}
