package tests

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkHeld: what users hold open and wait for, few and many, and what that costs the daemon: its
// processor time to take one more, its processor time in a second while nothing happens, its memory, and the
// time to make the text that many wait for. One run of each is enough (-benchtime 1x).
//
//	polled    status files in epoll(7), of 100 topics
//	watched   watch files of one topic in epoll(7)
//	readers   the status of a queue that is open so many times
//	users     directories of so many users in /dev/shm, with one object each
func BenchmarkHeld(b *testing.B) {
	for _, c := range []struct {
		name, text string
		counts     []int
		hold       func(mnt string, n int) ([]int, error)
	}{
		{"polled", "ctl/topics/t0/status", []int{0, 150, 1500, 15_000}, holdPolled},
		{"watched", "ctl/topics/t0/status", []int{50, 500, 5000}, holdWatched},
		{"readers", "ctl/queues/q/status", []int{190, 1900, 19_000}, holdReaders},
		{"users", "ctl/status", []int{10, 100, 1000}, holdDirectories},
	} {
		for _, n := range c.counts {
			b.Run(fmt.Sprint(c.name, "/", n), func(b *testing.B) {
				benchHeld(b, c.text, n, func(mnt string) ([]int, error) { return c.hold(mnt, n) })
			})
		}
	}
}

func benchHeld(b *testing.B, text string, n int, hold func(mnt string) ([]int, error)) {
	m := startMany(b)
	defer func() { close(m.calls); <-m.done }()
	m.do(b, func() error {
		pid, err := m.pid()
		if err != nil {
			return err
		}
		began, begun := cpuOf(pid), time.Now()
		fds, err := hold(m.mnt)
		if err != nil {
			return err
		}
		took, taken := cpuOf(pid)-began, time.Since(begun)
		const seconds, texts = 5, 50
		began = cpuOf(pid)
		<-time.After(seconds * time.Second) // nothing happens meanwhile
		idle := cpuOf(pid) - began
		began = cpuOf(pid)
		size := 0
		for range texts {
			got, err := os.ReadFile(m.mnt + "/" + text)
			if err != nil {
				return err
			}
			size = len(got)
		}
		made := cpuOf(pid) - began
		for b.Loop() {
		}
		b.ReportMetric(float64(took.Microseconds())/float64(max(n, 1)), "cpu-µs/one")
		b.ReportMetric(float64(taken.Microseconds())/float64(max(n, 1)), "µs/one")
		b.ReportMetric(float64(idle.Microseconds())/1e3/seconds, "idle-cpu-ms/s")
		b.ReportMetric(float64(made.Microseconds())/texts, "cpu-µs/text")
		b.ReportMetric(float64(size), "B/text")
		b.ReportMetric(residentMiB(pid), "MiB")
		for _, fd := range fds {
			err = errors.Join(err, unix.Close(fd))
		}
		for _, class := range []string{"topics", "queues"} {
			names, _ := os.ReadDir(m.mnt + "/" + class)
			for _, n := range names {
				err = errors.Join(err, os.Remove(m.mnt+"/"+class+"/"+n.Name()))
			}
		}
		held, _ := os.ReadDir("/dev/shm")
		for _, n := range held {
			err = errors.Join(err, os.RemoveAll("/dev/shm/"+n.Name()))
		}
		return err
	})
}

// openMany opens a file so many times, and reads it to its end each time, or until it would have to wait.
func openMany(name string, n int) (fds []int, err error) {
	buf := make([]byte, 64<<10)
	for range n {
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return fds, err
		}
		fds = append(fds, fd)
		for n := 1; n > 0; {
			n, _ = unix.Read(fd, buf)
		}
	}
	return fds, nil
}

// inEpoll puts files into an epoll instance, which asks about each.
func inEpoll(fds []int, err error) ([]int, error) {
	if err != nil {
		return fds, err
	}
	all, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	for _, fd := range fds {
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		err = errors.Join(err, unix.EpollCtl(all, unix.EPOLL_CTL_ADD, fd, &event))
	}
	return append(fds, all), err
}

func holdPolled(mnt string, n int) (all []int, err error) {
	for i := range 100 {
		name := fmt.Sprint("t", i)
		if err := os.WriteFile(mnt+"/topics/"+name, nil, 0600); err != nil {
			return nil, err
		}
		fds, err := openMany(mnt+"/ctl/topics/"+name+"/status", (n+99-i)/100)
		if all = append(all, fds...); err != nil {
			return all, err
		}
	}
	return inEpoll(all, nil)
}

func holdWatched(mnt string, n int) ([]int, error) {
	if err := os.WriteFile(mnt+"/topics/t0", nil, 0600); err != nil {
		return nil, err
	}
	return inEpoll(openMany(mnt+"/ctl/topics/t0/watch", n))
}

func holdReaders(mnt string, n int) (fds []int, err error) {
	for range n {
		fd, err := unix.Open(mnt+"/queues/q", unix.O_RDONLY|unix.O_CREAT|unix.O_NONBLOCK|unix.O_CLOEXEC, 0600)
		if err != nil {
			return fds, err
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

func holdDirectories(_ string, n int) (fds []int, err error) {
	for uid := 10_000; uid < 10_000+n; uid++ {
		dir := fmt.Sprint("/dev/shm/", uid)
		err = errors.Join(err, os.Mkdir(dir, 0700), os.WriteFile(dir+"/o", nil, 0600), os.Chown(dir, uid, uid))
	}
	return nil, err
}

// cpuOf is the processor time that the threads of a process have used.
func cpuOf(pid int) (sum time.Duration) {
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, task.Name()))
		var ns int64
		_, _ = fmt.Sscan(string(text), &ns)
		sum += time.Duration(ns)
	}
	return sum
}

// residentMiB is how much memory a process has.
func residentMiB(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, line, _ := strings.Cut(string(text), "VmRSS:")
	var kib float64
	_, _ = fmt.Sscan(line, &kib)
	return kib / 1024
}
