package tests

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tooLong is how long nobody sleeps beside something that they wait for, in ms.
var tooLong = int(patience.Milliseconds()) * 3 / 20

// slept is poll(2), which also ends with what is open as over. It fails if it slept beside what it was asked
// for, which nobody has taken meanwhile: when its time is over the kernel looks once more, and finds it.
func slept(fd int, events int16, over int, taken *atomic.Int64) error {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}, {Fd: int32(over), Events: unix.POLLIN}}
	for {
		before, began := taken.Load(), time.Now()
		n, err := unix.Poll(fds, tooLong)
		switch {
		case err == unix.EINTR || err == nil && n == 0:
		case err == nil && time.Since(began) >= time.Duration(tooLong)*time.Millisecond && taken.Load() == before:
			return fmt.Errorf("a poll for %#x slept on", events)
		default:
			return err
		}
	}
}

// TestSharedPollers: of two who poll by one open file, as threads and children do, one for messages and one
// for room, each is told.
func TestSharedPollers(t *testing.T) {
	tr := mountTree(t)
	path := tr.mnt + "/queues/q"
	check(t, os.WriteFile(path, nil, 0600))
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_NONBLOCK, 0)
	check(t, err)
	defer syscall.Close(fd)
	var none atomic.Int64
	wait := func(events, other int16, waits string, act func() error) {
		t.Helper()
		over := make(chan error, 1)
		go func() { over <- slept(fd, events, -1, &none) }()
		for status := ""; !strings.Contains(status, waits); {
			b, err := os.ReadFile(tr.mnt + "/ctl/queues/q/status")
			check(t, err)
			status = string(b)
		}
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: other}}, 0)
		check(t, errors.Join(err, act(), <-over))
	}
	send := func() error { _, err := syscall.Write(fd, []byte("m")); return err }
	wait(unix.POLLIN, unix.POLLOUT, "\nwaiting_readers=1\n", send)
	for err == nil {
		err = send()
	}
	wait(unix.POLLOUT, unix.POLLIN, "\nwaiting_writers=1\n", func() error {
		_, err := syscall.Read(fd, make([]byte, 128))
		return err
	})
}

// TestPollersCompete: those who poll one queue, by files of their own and by shared ones, take from each
// other what they were told of, and nobody sleeps beside a message or room.
func TestPollersCompete(t *testing.T) {
	tr := mountTree(t)
	path := tr.mnt + "/queues/q"
	check(t, os.WriteFile(path, nil, 0600))
	const readers, writers = 48, 6
	each := int64(often(200, 200))
	var files []int
	open := func() int {
		fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_NONBLOCK, 0)
		check(t, err)
		files = append(files, fd)
		return fd
	}
	shared := open()
	var ends [2]int
	check(t, syscall.Pipe2(ends[:], syscall.O_CLOEXEC))
	files = append(files, ends[0])
	var sent, taken atomic.Int64
	var failed atomic.Bool
	end := sync.OnceFunc(func() { syscall.Close(ends[1]) }) // wakes all
	var all sync.WaitGroup
	work := func(events int16, fd int, act func(fd int) error, over func() bool) {
		all.Go(func() {
			for !over() && !failed.Load() {
				err := act(fd)
				if err == nil {
					continue
				}
				if err == syscall.EAGAIN {
					err = slept(fd, events, ends[0], &taken)
				}
				if err != nil {
					t.Error(err)
					failed.Store(true)
					end()
				}
			}
		})
	}
	ended := func() bool { return taken.Load() >= writers*each }
	for i := range readers {
		fd := shared
		if i%4 > 0 {
			fd = open()
		}
		work(unix.POLLIN, fd, func(fd int) error {
			n, err := syscall.Read(fd, make([]byte, 128))
			if n > 0 && taken.Add(1) == writers*each {
				end()
			}
			return err
		}, ended)
	}
	for i := range writers {
		fd := shared
		if i%2 > 0 {
			fd = open()
		}
		left := each
		work(unix.POLLOUT, fd, func(fd int) error {
			for left%10 == 0 && taken.Load() < sent.Load() && !failed.Load() {
				runtime.Gosched() // now and then there is nothing, and most are asleep
			}
			_, err := syscall.Write(fd, []byte("m"))
			if err == nil {
				sent.Add(1)
				left--
			}
			return err
		}, func() bool { return left == 0 })
	}
	all.Wait()
	for _, fd := range files {
		check(t, syscall.Close(fd))
	}
}
