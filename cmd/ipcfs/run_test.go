package main

import (
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
)

func TestExitStatusOfCommand(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 3": 3, "kill -TERM $$": 128 + 15} {
		if got := exitStatus(exec.Command("sh", "-c", script).Run()); got != want {
			t.Errorf("%s: %d", script, got)
		}
	}
	if got := exitStatus(exec.ErrNotFound); got != exitFailure {
		t.Errorf("not found: %d", got)
	}
}

// What nohup(1) ignores stays ignored.
func TestSignals(t *testing.T) {
	signal.Ignore(syscall.SIGUSR2)
	defer signal.Reset(syscall.SIGUSR2)
	if got := signals(syscall.SIGUSR1, syscall.SIGUSR2); len(got) != 1 || got[0] != syscall.SIGUSR1 {
		t.Errorf("%v", got)
	}
}
