package ipctool

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// pumpCommand sends COUNT numbered messages to the queue OUT and at the same time receives as many from
// IN, which must be TAG's and come in order: one process of a ring.
func pumpCommand(args []string) error {
	if len(args) != 4 {
		return errUsage
	}
	out, in, tag := args[0], args[1], args[3]
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		_, err := sendNumbers(out, 0, count)
		sent <- err
	}()
	fd, err := OpenFile(in, "rdonly")
	if err != nil {
		return err
	}
	buf := make([]byte, 64)
	for i := range count {
		n, err := Retry(func() (int, error) { return unix.Read(fd, buf) })
		if err != nil {
			return fmt.Errorf("%s: message %d: %s", in, i, name(err))
		}
		if got, want := string(buf[:n]), fmt.Sprintf("%s:%d", tag, i); got != want {
			return fmt.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
	return <-sent
}

// sendNumbers sends NAME:FROM, NAME:FROM+1 and so on, where NAME is the file's, and tells how often a signal
// interrupted it: a send that was interrupted sent nothing and is repeated.
func sendNumbers(path string, from, count int) (disturbed int, err error) {
	fd, err := OpenFile(path, "wronly")
	if err != nil {
		return 0, err
	}
	for i := from; i < from+count; i++ {
		msg := fmt.Appendf(nil, "%s:%d", filepath.Base(path), i)
		n, err := Retry(func() (int, error) {
			n, err := unix.Write(fd, msg)
			if err == unix.EINTR {
				disturbed++
			}
			return n, err
		})
		if err != nil || n != len(msg) {
			return disturbed, fmt.Errorf("%s: message %d: %d bytes, %s", path, i, n, name(err))
		}
	}
	return disturbed, unix.Close(fd)
}

// produceCommand is sendNumbers for a process that SIGUSR1 disturbs. It prints how often that was.
func produceCommand(args []string) error {
	if len(args) != 3 {
		return errUsage
	}
	disturbable()
	from, _ := strconv.Atoi(args[1])
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	disturbed, err := sendNumbers(args[0], from, count)
	fmt.Println("EINTR", disturbed)
	return err
}

// consumeCommand prints each message it receives, one a line, until it receives "end".
// SIGUSR1 disturbs it; it prints last how often that was.
func consumeCommand(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	disturbable()
	fd, err := OpenFile(args[0], "rdonly")
	if err != nil {
		return err
	}
	disturbed := 0
	buf := make([]byte, 64)
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case err == unix.EINTR:
			disturbed++
			continue
		case err != nil:
			return err
		case string(buf[:n]) == "end":
			fmt.Println("EINTR", disturbed)
			return nil
		}
		// One write a line: if this process is killed, what it printed is whole lines.
		if _, err := os.Stdout.Write(append(buf[:n:n], '\n')); err != nil {
			return err
		}
	}
}

// fifoBurstCommand writes COUNT blocks of PIPE_BUF equal letters, each in one write.
func fifoBurstCommand(args []string) error {
	if len(args) != 3 {
		return errUsage
	}
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	fd, err := OpenFile(args[0], "wronly")
	if err != nil {
		return err
	}
	block := []byte(strings.Repeat(args[1], 4096))
	for range count {
		n, err := Retry(func() (int, error) { return unix.Write(fd, block) })
		if err != nil || n != len(block) {
			return fmt.Errorf("%d bytes, %s", n, name(err))
		}
	}
	return unix.Close(fd)
}
