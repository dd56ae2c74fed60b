package keeper

import (
	"log/slog"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestEndingBusy: a worker that still does something is let end the mount, and one that does nothing for a
// while is not.
func TestEndingBusy(t *testing.T) {
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	k := &Keeper{Log: slog.New(slog.DiscardHandler), worker: &worker{process: cmd.Process}}
	k.endsSoon()
	now := k.ending.since
	for range 3 {
		until := time.Now().Add(20 * time.Second)
		for processorTime(cmd.Process.Pid) <= k.ending.used+busyTime {
			if runtime.Gosched(); time.Now().After(until) {
				t.Fatal("it does nothing")
			}
		}
		now = now.Add(hangLimit + beatPeriod)
		if k.lookEnding(now); !k.ending.shot.IsZero() {
			t.Fatal("it is killed while it does something")
		}
	}
	if err := cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(cmd.Process.Pid, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatal(err, status)
	}
	k.lookEnding(now)
	if k.lookEnding(now.Add(hangLimit)); !k.ending.shot.IsZero() {
		t.Error("it is killed early")
	}
	if k.lookEnding(now.Add(hangLimit + beatPeriod)); k.ending.shot.IsZero() || k.worker.cause == "" {
		t.Error("it is not killed")
	}
}
