package mount

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// threads is how many operating system threads the daemon has (proc(5), /proc/PID/stat, num_threads).
func threads() int {
	list, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return 0
	}
	return len(list)
}

// requestTimeout is the kernel's limit for any one request, 0 without one (fs.fuse.default_request_timeout
// and fs.fuse.max_request_timeout, seconds, Linux 6.15).
func requestTimeout() time.Duration {
	limit := 0
	for _, name := range []string{"default_request_timeout", "max_request_timeout"} {
		b, err := os.ReadFile("/proc/sys/fs/fuse/" + name)
		if err != nil {
			continue
		}
		n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
		if n > 0 && (limit == 0 || n < limit) {
			limit = n
		}
	}
	return time.Duration(limit) * time.Second
}

// dying reports whether a thread is about to end: the kernel gives each of a process that is to end a SIGKILL
// of its own (proc_pid_status(5), SigPnd; complete_signal in kernel/signal.c).
func dying(tid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(tid) + "/status")
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(b), "\nSigPnd:")
	line, _, _ := strings.Cut(rest, "\n")
	pending, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return err == nil && pending&(1<<(syscall.SIGKILL-1)) != 0
}
