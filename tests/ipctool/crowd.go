package ipctool

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// crowdWays are what each thread of a crowd does with a path: what the program of that name does.
var crowdWays = map[string]func(path string) error{
	"open": func(path string) error {
		fd, err := OpenFile(path, "rdonly,nonblock")
		if err == nil {
			err = unix.Close(fd)
		}
		return err
	},
	"stat": func(path string) error {
		var st unix.Stat_t
		return unix.Stat(path, &st)
	},
	"list": func(path string) error {
		_, err := os.ReadDir(filepath.Dir(path))
		return err
	},
	"create": func(path string) error {
		fd, err := OpenFile(fmt.Sprint(path, ".", crowdMade.Add(1)), "wronly,creat,nonblock")
		if err == nil {
			err = unix.Close(fd)
		}
		return err
	},
	"write": func(path string) error { return crowdWrite(path, "wronly") },
	"echo":  func(path string) error { return crowdWrite(path, "wronly,creat,trunc") },
}

// crowdMade numbers the names that a crowd makes: path.1, path.2, …
var crowdMade atomic.Int64

func crowdWrite(path, flags string) error {
	fd, err := OpenFile(path, flags)
	if err != nil {
		return err
	}
	if _, err = Retry(func() (int, error) { return unix.Write(fd, []byte("hello\n")) }); err != nil {
		return err
	}
	return unix.Close(fd)
}

// crowdCommand is COUNT threads that do the same with a path EACH times, from the same moment on. It prints
// how many nanoseconds that took.
func crowdCommand(args []string) error {
	if len(args) != 4 {
		return errUsage
	}
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	each, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	do := crowdWays[args[2]]
	if do == nil {
		return errUsage
	}
	debug.SetMaxThreads(count + 100)
	var ready, all sync.WaitGroup
	start, failed := make(chan struct{}), make(chan error, count)
	ready.Add(count)
	for range count {
		all.Go(func() {
			runtime.LockOSThread()
			ready.Done()
			<-start
			for range each {
				if err := do(args[3]); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	ready.Wait()
	began := time.Now()
	close(start)
	all.Wait()
	took := time.Since(began)
	select {
	case err := <-failed:
		return err
	default:
	}
	fmt.Println(took.Nanoseconds())
	return nil
}
