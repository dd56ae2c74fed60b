package ipctool

import (
	"fmt"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// scrambleCommand fills a queue, ROUNDS times, and lets ten threads loose on it at the
// same moment: six write and have to wait, three do chmod, touch and stat, and one
// removes it. It prints how many of them came to an end.
func scrambleCommand(args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	path := args[0]
	rounds, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	write := func() {
		if fd, err := OpenFile(path, "wronly"); err == nil {
			_, _ = unix.Write(fd, []byte("x"))
			_ = unix.Close(fd)
		}
	}
	append := func() {
		if fd, err := OpenFile(path, "wronly,append"); err == nil {
			_, _ = unix.Write(fd, []byte("x"))
			_ = unix.Close(fd)
		}
	}
	all := []func(){
		write, write, write, append, append, append,
		func() { _ = unix.Chmod(path, 0640) },
		func() { _ = unix.UtimesNano(path, []unix.Timespec{{Sec: 1}, {Sec: 1}}) },
		func() { _ = unix.Stat(path, &unix.Stat_t{}) },
		func() { _ = unix.Unlink(path) },
	}
	ended := 0
	for range rounds {
		if err := fillQueue(path); err != nil {
			return err
		}
		start, done := make(chan struct{}), make(chan bool, len(all))
		for _, do := range all {
			go func() {
				runtime.LockOSThread()
				<-start
				do()
				done <- true
			}()
		}
		close(start)
		limit := time.After(Patience())
		for range all {
			select {
			case <-done:
				ended++
			case <-limit:
				return fmt.Errorf("only %d of %d came to an end", ended, rounds*len(all))
			}
		}
		_ = unix.Unlink(path) // a writer may have made it anew
	}
	fmt.Println(ended)
	return nil
}

// fillQueue makes a queue and fills it.
func fillQueue(path string) error {
	fd, err := OpenFile(path, "wronly,creat,nonblock")
	if err != nil {
		return err
	}
	for err == nil {
		_, err = Retry(func() (int, error) { return unix.Write(fd, []byte("full")) })
	}
	_ = unix.Close(fd)
	if err == unix.EAGAIN {
		err = nil
	}
	return err
}
