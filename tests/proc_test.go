package tests

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ipcfs/ipcfs/tests/ipctool"
	"golang.org/x/sys/unix"
)

// A process is one that a test started, directly or not.
type process struct {
	pid     int
	state   string // as ps shows it: R, S, D, …
	cmdline string
	daemon  bool
}

// processes finds all processes of a test by the WORK in their environment. Zombies are not among them.
func processes(work string) []process {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	want := []byte("\x00WORK=" + work + "\x00")
	var list []process
	for _, dir := range dirs {
		env, err := os.ReadFile(dir + "/environ")
		if err != nil || !bytes.Contains(append([]byte{0}, env...), want) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		p := process{pid: pid, state: ipctool.ProcState(dir)}
		cmdline, _ := os.ReadFile(dir + "/cmdline")
		p.cmdline = string(bytes.ReplaceAll(bytes.TrimRight(cmdline, "\x00"), []byte{0}, []byte{' '}))
		exe, _ := os.Readlink(dir + "/exe")
		p.daemon = strings.HasPrefix(filepath.Base(exe), "ipcfs")
		if p.state != "" && p.state != "Z" {
			list = append(list, p)
		}
	}
	return list
}

// report tells where a process is stuck, thread by thread.
func (p process) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "pid %d %s %s\n", p.pid, p.state, p.cmdline)
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", p.pid))
	for _, task := range tasks {
		wchan, _ := os.ReadFile(task + "/wchan")
		call, _ := os.ReadFile(task + "/syscall")
		fmt.Fprintf(&b, "\t%s %s in %s, syscall %s\n",
			filepath.Base(task), ipctool.ProcState(task), wchan, bytes.TrimSpace(call))
		if stack, err := os.ReadFile(task + "/stack"); err == nil && ipctool.ProcState(task) == "D" {
			b.Write(stack)
		}
	}
	return b.String()
}

// gone waits for the end of a process and reports whether it came.
func gone(pid int, limit time.Duration) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	until := time.Now().Add(limit)
	for {
		left := max(0, time.Until(until))
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if err != unix.EINTR {
			return n > 0
		}
	}
}

// A mountPoint is a FUSE mount of a test.
type mountPoint struct {
	path  string
	minor string // of its device number, the name of its connection in fusectl
}

// mounts finds the FUSE mounts below dir in the mount namespace of a thread, the newest first.
func mounts(tid int, dir string) []mountPoint {
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/mountinfo", tid))
	if err != nil {
		return nil
	}
	var list []mountPoint
	for line := range strings.Lines(string(info)) {
		before, after, _ := strings.Cut(line, " - ")
		f := strings.Fields(before)
		if len(f) < 5 || !strings.HasPrefix(after, "fuse") || !strings.HasPrefix(f[4], dir+"/") {
			continue
		}
		_, minor, _ := strings.Cut(f[2], ":")
		list = append([]mountPoint{{f[4], minor}}, list...)
	}
	return list
}
