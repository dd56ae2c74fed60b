package tests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/tests/ipctool"
	"golang.org/x/sys/unix"
)

// keeperFaces are the ways through a queue of which BenchmarkKeeperFaces tells what a keeper costs.
var keeperFaces = []struct {
	name  string
	calls int
	do    func(queue, ctl string, calls int) error
}{
	{"message", 300, func(q, _ string, n int) error { return moveEach(q, q, unix.O_RDWR, message(64), n) }},
	{"8KiB", 300, func(q, _ string, n int) error { return moveEach(q, q, unix.O_RDWR, message(8192), n) }},
	{"read-only", 300, func(q, _ string, n int) error { return moveEach(q, q, unix.O_RDONLY, message(64), n) }},
	{"8KiB-read-only", 300, func(q, _ string, n int) error { return moveEach(q, q, unix.O_RDONLY, message(8192), n) }},
	{"line", 300, func(_, c string, n int) error { return moveEach(c+"/lines", c+"/lines", unix.O_RDWR, message(64), n) }},
	{"lines", 100, func(_, c string, n int) error {
		return moveEach(c+"/lines", c+"/lines", unix.O_RDWR, bytes.Repeat(message(64), 10), n)
	}},
	{"lease", 100, func(q, c string, n int) error { return moveEach(q, c+"/lease", unix.O_RDWR, message(64), n) }},
	{"lease-close", 30, leaseAndClose},
	{"ping-pong", 200, pingPong},
	{"behind", 300, behindAnother},
}

// BenchmarkKeeperFaces is BenchmarkKeeper with more ways through a queue: a write and a read of a message of
// 64 bytes and 8 KiB, with one open file and with a reader of its own, of a line and of ten, of a message on
// lease that is done with the next read, or when it is read and closed; a ping-pong of two that wait for each
// other; and a read that finds others waiting. Each is the median of pairs of short runs in turn, in ns
// without a keeper, and how many times as long it takes with one.
func BenchmarkKeeperFaces(b *testing.B) {
	m := startMany(b)
	defer func() { close(m.calls); <-m.done }()
	m.do(b, func() error {
		for b.Loop() {
		}
		at, err := m.withAndWithout()
		if err != nil {
			return err
		}
		err = os.WriteFile(at[0]+"/ctl/new", []byte("queues/q maxmsg=10 msgsize=8192\nqueues/r maxmsg=10 msgsize=128\n"), 0)
		if err != nil {
			return err
		}
		for _, c := range keeperFaces {

			var off, times []float64
			for range 41 {
				var took [2]float64
				for i, mnt := range at {
					began := time.Now()
					if err := c.do(mnt+"/queues/q", mnt+"/ctl/queues/q", c.calls); err != nil {
						return fmt.Errorf("%s: %w", c.name, err)
					}
					took[i] = float64(time.Since(began).Nanoseconds()) / float64(c.calls)
				}
				off, times = append(off, took[0]), append(times, took[1]/took[0])
			}
			slices.Sort(off)
			slices.Sort(times)
			b.ReportMetric(off[len(off)/2], "ns/"+c.name)
			b.ReportMetric(times[len(times)/2], "times/"+c.name)
		}
		return errors.Join(os.Remove(at[0]+"/queues/q"), os.Remove(at[0]+"/queues/r"))
	})
}

// withAndWithout mounts two trees, without and with a keeper, all on one processor.
func (m *manyTree) withAndWithout() (at [2]string, err error) {
	var here unix.CPUSet
	here.Set(0)
	if err := unix.SchedSetaffinity(0, &here); err != nil {
		return at, err
	}
	for i, flag := range []string{"--keeper=off", "--keeper=on"} {
		at[i] = m.work + "/" + flag[2:]
		if err := os.Mkdir(at[i], 0755); err != nil {
			return at, err
		}
		if out, err := m.run(m.program, flag, "--state-dir", m.state+flag, at[i]); err != nil {
			return at, fmt.Errorf("%v\n%s", err, out)
		}
	}
	return at, nil
}

// message is one of n bytes, which is a line.
func message(n int) []byte { return append(bytes.Repeat([]byte("m"), n-1), '\n') }

// moveEach writes a message to one file and reads it from another, which is the same if it is opened to write, too.
func moveEach(to, from string, flags int, msg []byte, calls int) error {
	in, err := unix.Open(to, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(in)
	out := in
	if flags != unix.O_RDWR || to != from {
		if out, err = unix.Open(from, flags|unix.O_CLOEXEC, 0); err != nil {
			return err
		}
		defer unix.Close(out)
	}
	room := make([]byte, 9000)
	for range calls {
		if err := sends(in, out, msg, room); err != nil {
			return err
		}
	}
	if to != from {
		_, err = unix.Write(out, []byte("ack\n"))
	}
	return err
}

func sends(in, out int, msg, room []byte) error {
	if _, err := unix.Write(in, msg); err != nil {
		return err
	}
	n, err := unix.Read(out, room)
	if err == nil && n != len(msg) {
		err = fmt.Errorf("%d bytes of %d", n, len(msg))
	}
	return err
}

// leaseAndClose takes each message by an open file of its own.
func leaseAndClose(queue, ctl string, calls int) error {
	for range calls {
		if err := moveEach(queue, ctl+"/lease", unix.O_RDWR, message(64), 1); err != nil {
			return err
		}
	}
	return nil
}

// get waits for a message. Go's runtime interrupts threads that wait.
func get(fd int, room []byte) error {
	_, err := ipctool.Retry(func() (int, error) { return unix.Read(fd, room) })
	return err
}

// pingPong has two threads wait for each other's messages. Who waits has an open file of its own, as its
// position is locked meanwhile.
func pingPong(queue, _ string, calls int) error {
	var fds [4]int
	for i, name := range []string{queue, path.Dir(queue) + "/r", queue, path.Dir(queue) + "/r"} {
		var err error
		if fds[i], err = unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			return err
		}
		defer unix.Close(fds[i])
	}
	there := make(chan error)
	side := func(reads, writes int, first bool) (err error) {
		room := make([]byte, 9000)
		for i := 0; i < calls && err == nil; i++ {
			if i > 0 || !first {
				err = get(reads, room)
			}
			if err == nil {
				_, err = unix.Write(writes, message(64))
			}
		}
		if first && err == nil {
			err = get(reads, room)
		}
		return err
	}
	go func() { there <- side(fds[0], fds[3], false) }()
	return errors.Join(side(fds[1], fds[2], true), <-there)
}

// behindAnother reads in vain, by a file that has read a message, while another one waits.
func behindAnother(queue, _ string, calls int) error {
	waits, err := unix.Open(queue, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(waits)
	fd, err := unix.Open(queue, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := sends(waits, fd, message(64), make([]byte, 9000)); err != nil {
		return err
	}
	there := make(chan error)
	go func() {
		there <- get(waits, make([]byte, 9000))
	}()
	room := make([]byte, 9000)
	for range calls {
		if _, err := unix.Read(fd, room); err != unix.EAGAIN {
			return fmt.Errorf("read with others waiting: %v", err)
		}
	}
	return errors.Join(os.WriteFile(queue, message(64), 0), <-there)
}
