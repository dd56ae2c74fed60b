package tests

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkKeeper is what a keeper costs: two trees of one queue, one without a keeper and one with, take
// turns on one processor. It reports the medians of a write and a read of 64 bytes, and of what a shell's
// `echo > queue` does, each in ns without a keeper, and how many times as long they take with one; and the
// memory of the daemons, keeper included, with 10,000 files open (MiB, and so many more). One run is enough
// (-benchtime 1x).
func BenchmarkKeeper(b *testing.B) {
	m := startMany(b)
	defer func() { close(m.calls); <-m.done }()
	m.do(b, func() error {
		for b.Loop() {
		}
		at, err := m.withAndWithout()
		if err != nil {
			return err
		}
		if err := os.WriteFile(at[0]+"/ctl/new", []byte("queues/q maxmsg=10 msgsize=128\n"), 0); err != nil {
			return err
		}
		var held [2]int64
		for i, mnt := range at {
			before, err := memoryOf(mnt)
			if err != nil {
				return err
			}
			fds, err := openMany(mnt+"/queues/q", 10_000)
			if err != nil {
				return err
			}
			after, err := memoryOf(mnt)
			if err != nil {
				return err
			}
			for _, fd := range fds {
				_ = unix.Close(fd)
			}
			held[i] = after
			b.ReportMetric(float64(after-before)/1e4, []string{"B/file", "B/file-kept"}[i])
		}
		b.ReportMetric(float64(held[0])/(1<<20), "MiB")
		b.ReportMetric(float64(held[1]-held[0])/(1<<20), "MiB-more")
		for _, c := range []struct {
			name  string
			calls int
			do    func(mnt string, calls int) error
		}{{"message", 1000, sendAndReceive}, {"echo", 300, echo}} {
			var took [2][]float64
			for range 31 {
				for i, mnt := range at {
					began := time.Now()
					if err := c.do(mnt, c.calls); err != nil {
						return err
					}
					took[i] = append(took[i], float64(time.Since(began).Nanoseconds())/float64(c.calls))
				}
			}
			for i := range took {
				slices.Sort(took[i])
			}
			off, on := took[0][len(took[0])/2], took[1][len(took[1])/2]
			b.ReportMetric(off, "ns/"+c.name)
			b.ReportMetric(on/off, "times/"+c.name)
		}
		return os.Remove(at[0] + "/queues/q")
	})
}

func sendAndReceive(mnt string, calls int) error {
	fd, err := unix.Open(mnt+"/queues/q", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	message, room := make([]byte, 64), make([]byte, 128)
	for range calls {
		if _, err = unix.Write(fd, message); err == nil {
			_, err = unix.Read(fd, room)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// echo does what `echo hello > queue` does, and takes the message out by a file that was opened before.
func echo(mnt string, calls int) error {
	out, err := unix.Open(mnt+"/queues/q", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(out)
	room := make([]byte, 128)
	for range calls {
		fd, err := unix.Open(mnt+"/queues/q", unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC, 0666)
		if err != nil {
			return err
		}
		_, err = unix.Write(fd, []byte("hello\n"))
		err = errors.Join(err, unix.Close(fd))
		if err == nil {
			_, err = unix.Read(out, room)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// memoryOf is how much memory is a tree's daemon's own, and its keeper's: what of it lies in files does not
// count, the ledger does.
func memoryOf(mnt string) (sum int64, err error) {
	for _, key := range []string{"pid", "keeper_pid"} {
		pid, err := statusOf(mnt, key)
		if err != nil {
			continue // it has no keeper
		}
		text, err := os.ReadFile("/proc/" + pid + "/status")
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(line, ":")
			if name == "RssAnon" || name == "RssShmem" {
				kib, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
				sum += kib << 10
			}
		}
	}
	return sum, nil
}
