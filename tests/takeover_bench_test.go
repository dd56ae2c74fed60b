package tests

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkTakeover is how long nobody is served when a worker is killed, in ms, the median of some: from
// kill(2) until the next worker has answered an open(2), a read(2) and a close(2). There are so many topics
// then, or files open of one queue, or messages on lease, or names of shared memory that the kernel knows.
func BenchmarkTakeover(b *testing.B) {
	for _, what := range []string{"topics", "open", "leases", "names"} {
		for _, n := range []int{100, 1000, 10_000, 30_000} {
			b.Run(fmt.Sprint(what, "/", n), func(b *testing.B) { takeOver(b, what, n) })
		}
	}
}

func takeOver(b *testing.B, what string, n int) {
	opens := what == "open" || what == "leases"
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil || opens && files.Cur < uint64(n+100) {
		b.Skipf("no room for so many open files: %d %v", files.Cur, err)
	}
	m := startMany(b)
	defer func() { close(m.calls); <-m.done }()
	m.do(b, func() (err error) {
		var fds []int
		switch what {
		case "topics":
			err = m.all["topics"].grow(n)
		case "names":
			if err = m.all["shm"].grow(n); err == nil {
				err = m.all["shm"].list()
			}
		default:
			if err = os.WriteFile(m.mnt+"/queues/q", nil, 0600); err != nil {
				return err
			}
			if what == "open" {
				fds, err = openMany(m.mnt+"/queues/q", n)
				break
			}
			if fds, err = openMany(m.mnt+"/ctl/queues/q/lease", n); err == nil {
				err = lend(m.mnt+"/queues/q", fds)
			}
		}
		if err != nil {
			return err
		}
		var took []float64
		for b.Loop() {
			one, err := killed(m.mnt)
			if err != nil {
				return err
			}
			took = append(took, float64(one.Microseconds())/1000)
		}
		slices.Sort(took)
		b.ReportMetric(took[len(took)/2], "ms")
		b.ReportMetric(took[0], "ms-least")
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
		if opens {
			err = os.Remove(m.mnt + "/queues/q")
		}
		m.all["tmpfs"].made = 0
		return err
	})
	m.do(b, m.empty)
}

// lend has a message of a queue out on each of its leases.
func lend(queue string, leases []int) error {
	q, err := os.OpenFile(queue, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer q.Close()
	for _, fd := range leases {
		if _, err = q.WriteString("a job\n"); err == nil {
			_, err = unix.Read(fd, make([]byte, 128))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// killed kills the worker of a tree and waits for the next one.
func killed(mnt string) (time.Duration, error) {
	text, err := os.ReadFile(mnt + "/ctl/pid")
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return 0, err
	}
	for string(text) == fmt.Sprintln(pid) && err == nil {
		text, err = os.ReadFile(mnt + "/ctl/pid")
	}
	return time.Since(began), err
}
