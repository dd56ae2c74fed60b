package tests

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestServeDevice: a daemon serves a mount that somebody else has made, from the
// descriptor it is handed, and ends with the mount.
func TestServeDevice(t *testing.T) {
	t.Parallel()
	tr := bareTree(t)
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	check(t, err)
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d,default_permissions",
		fd, os.Geteuid(), os.Getegid())
	check(t, unix.Mount("given", tr.mnt, "fuse.ipcfs", unix.MS_NOSUID|unix.MS_NODEV, options))
	cmd := tr.command("ipcfs", "--state-dir", tr.state, "--maxmsg", "10", "--msgsize", "128", "/dev/fd/3")
	device := os.NewFile(uintptr(fd), "/dev/fuse")
	cmd.ExtraFiles = []*os.File{device}
	cmd.Stderr = os.Stderr
	check(t, cmd.Start())
	check(t, device.Close())

	send(t, tr, "q", "hello")
	got, err := tr.command("head", "-c5", tr.mnt+"/queues/q").Output()
	if err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	check(t, os.Remove(tr.mnt+"/queues/q"))
	check(t, unix.Unmount(tr.mnt, 0))
	if err := cmd.Wait(); err != nil {
		t.Errorf("the daemon: %v", err)
	}
}
