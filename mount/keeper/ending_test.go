package keeper

import (
	"log/slog"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// busyKeeper keeps a worker that uses a processor, and whose end has begun. busy waits until it has used more.
func busyKeeper(t *testing.T) (k *Keeper, busy func()) {
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	k = &Keeper{Log: slog.New(slog.DiscardHandler), worker: &worker{process: cmd.Process}}
	k.endsSoon()
	return k, func() {
		t.Helper()
		until := time.Now().Add(20 * time.Second)
		for processorTime(cmd.Process.Pid) <= k.ending.used+busyTime {
			if runtime.Gosched(); time.Now().After(until) {
				t.Fatal("it does nothing")
			}
		}
	}
}

// TestEndingBusy: a worker that still does something is let end the mount, and one that does nothing for a
// while is not.
func TestEndingBusy(t *testing.T) {
	k, busy := busyKeeper(t)
	now := k.ending.since
	for range 3 {
		busy()
		now = now.Add(hangLimit + beatPeriod)
		if k.lookEnding(now); !k.ending.shot.IsZero() {
			t.Fatal("it is killed while it does something")
		}
	}
	pid := k.worker.process.Pid
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() {
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

// TestEndingForLong: one that does something for ever is not let do so.
func TestEndingForLong(t *testing.T) {
	k, busy := busyKeeper(t)
	busy()
	if k.lookEnding(k.ending.began.Add(endLimit)); !k.ending.shot.IsZero() {
		t.Error("it is killed early")
	}
	busy()
	if k.lookEnding(k.ending.began.Add(endLimit + beatPeriod)); k.ending.shot.IsZero() || k.worker.cause == "" {
		t.Error("it is not killed")
	}
}
