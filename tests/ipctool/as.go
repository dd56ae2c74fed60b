package ipctool

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// asCommand becomes another user and then the command.
func asCommand(args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	id, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setresgid(id, id, id); err != nil {
		return err
	}
	if err := syscall.Setresuid(id, id, id); err != nil {
		return err
	}
	return become(args[1:])
}

// limitCommand sets a resource limit and becomes the command.
func limitCommand(args []string) error {
	what := map[string]int{"msgqueue": unix.RLIMIT_MSGQUEUE, "nofile": unix.RLIMIT_NOFILE}
	if len(args) < 3 {
		return errUsage
	}
	n, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	if err := unix.Setrlimit(what[args[0]], &unix.Rlimit{Cur: n, Max: n}); err != nil {
		return err
	}
	return become(args[2:])
}

func become(args []string) error {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return syscall.Exec(path, args, os.Environ())
}
