package ipctool

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// SlowVar is the variable that says how many times as long as usual things take on this machine.
const SlowVar = "IPCFS_TEST_SLOW"

// Patience is how long anything that should happen at once may take on a slow machine.
func Patience() time.Duration {
	slow, _ := strconv.Atoi(os.Getenv(SlowVar))
	return max(1, time.Duration(slow)) * 20 * time.Second
}

// Eventually tries cond again and again, for things that the kernel has no
// event for, and reports whether it came true.
func Eventually(limit time.Duration, cond func() bool) bool {
	end := time.After(limit)
	// To try takes processor time, which those waited for may need: as time goes by it tries less often.
	const shortest, longest = time.Millisecond, 25 * time.Millisecond
	for pause := shortest; !cond(); pause = min(longest, pause*5/4) {
		select {
		case <-time.After(pause):
		case <-end:
			return cond()
		}
	}
	return true
}

// ProcState is the state in /proc/PID/stat; empty if there is no such process.
func ProcState(dir string) string {
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return ""
	}
	// The command name before it may hold anything, parentheses too (proc_pid_stat(5)).
	rest := stat[bytes.LastIndexByte(stat, ')')+1:]
	if len(rest) < 2 {
		return ""
	}
	return string(rest[1:2])
}

// noop lets SIGUSR1 interrupt system calls and do nothing else.
func noop() { signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR1) }

// disturbable is noop for a caller that stays on its thread, and tells which thread that is.
func disturbable() {
	runtime.LockOSThread()
	noop()
	fmt.Println("TID", os.Getpid(), unix.Gettid())
}
