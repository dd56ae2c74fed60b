package main

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMountAt(t *testing.T) {
	if m, err := mountAt("/proc"); err != nil || m == nil || m.FSType != "proc" || ours(m) || !mounted(m) {
		t.Errorf("/proc: %+v %v", m, err)
	}
	// The path may lead through a symbolic link.
	link := t.TempDir() + "/link"
	if err := os.Symlink("/proc", link); err != nil {
		t.Fatal(err)
	}
	if m, err := mountAt(link); err != nil || m == nil || m.Mountpoint != "/proc" {
		t.Errorf("link to /proc: %+v %v", m, err)
	}
	if m, err := mountAt(t.TempDir()); err != nil || m != nil {
		t.Errorf("no mount: %+v %v", m, err)
	}
}

// awaitUnmount does not wait for a mount that is not there and a process that has ended. It waits
// for a process that lives, but no longer than it is told to.
func TestAwaitUnmount(t *testing.T) {
	gone, err := mountAt("/proc")
	if err != nil {
		t.Fatal(err)
	}
	still := *gone
	gone.ID = -1
	if !awaitUnmount(gone, -1, 0) {
		t.Error("waited for a mount that is gone")
	}
	if awaitUnmount(&still, -1, time.Millisecond) {
		t.Error("did not wait for a mount")
	}
	sleeper := exec.Command("sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(sleeper.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if awaitUnmount(gone, fd, time.Millisecond) {
		t.Error("did not wait for a process")
	}
	if err := sleeper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if !awaitUnmount(gone, fd, time.Minute) {
		t.Error("the process does not end")
	}
	_ = sleeper.Wait() // killed
}

func TestStatusPid(t *testing.T) {
	for text, want := range map[string]int{
		"version=1\npid=42\nstarted=x\n": 42, "": 0, "pid=x\n": 0, "ppid=1\n": 0,
	} {
		if got := statusPid(text); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
}
