package ipctool

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tries are what mayCommand does to a path.
var tries = map[string]func(path string) error{
	"read":  func(p string) error { return tryOpen(p, unix.O_RDONLY) },
	"write": func(p string) error { return tryOpen(p, unix.O_WRONLY) },
	"trunc": func(p string) error { return tryOpen(p, unix.O_WRONLY|unix.O_TRUNC) },
	"creat": func(p string) error { return tryOpen(p, unix.O_WRONLY|unix.O_CREAT) },
	"cut":   func(p string) error { return unix.Truncate(p, 0) },
	"stat":  func(p string) error { return unix.Stat(p, new(unix.Stat_t)) },
	"mkdir": func(p string) error { return unix.Mkdir(p, 0777) },
	"rm":    unix.Unlink,
	"mv":    func(p string) error { return unix.Rename(p, p+".moved") },
	"chmod": func(p string) error { return unix.Chmod(p, 0606) },
	"list": func(p string) error {
		_, err := os.ReadDir(p)
		return err
	},
}

func tryOpen(path string, flags int) error {
	fd, err := Retry(func() (int, error) { return unix.Open(path, flags|unix.O_CLOEXEC, 0666) })
	if err == nil {
		err = unix.Close(fd)
	}
	return err
}

// mayCommand tries on each path what stands before it, as each of some users (see asCommand).
// It prints a line for each try: the user, what was tried, and yes, no (EACCES, EPERM), or
// the error. A % in a path stands for the user's number.
func mayCommand(args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	for who := range strings.FieldsSeq(args[0]) {
		id, groups, err := parseUser(who)
		if err != nil {
			return err
		}
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
			done <- mayAs(id, groups, args[1:])
		}()
		if err := <-done; err != nil {
			return err
		}
	}
	return nil
}

// mayAs makes the calling thread another user's, and tries as that user.
func mayAs(id int, groups []int, args []string) error {
	if err := becomeOn(id, groups); err != nil {
		return err
	}
	for _, arg := range args {
		what, path, _ := strings.Cut(arg, "=")
		try, ok := tries[what]
		if !ok {
			return errUsage
		}
		answer := name(try(strings.ReplaceAll(path, "%", fmt.Sprint(id))))
		switch answer {
		case "no error":
			answer = "yes"
		case "EACCES", "EPERM":
			answer = "no"
		}
		fmt.Println(id, what, answer)
	}
	return nil
}

// becomeOn makes the calling thread another user's, for good.
func becomeOn(id int, groups []int) error {
	list := make([]uint32, len(groups))
	for i, g := range groups {
		list[i] = uint32(g)
	}
	for _, call := range [][3]uintptr{
		{unix.SYS_SETGROUPS, uintptr(len(list)), uintptr(unsafe.Pointer(unsafe.SliceData(list)))},
		{unix.SYS_SETRESGID, uintptr(id), uintptr(id)},
		{unix.SYS_SETRESUID, uintptr(id), uintptr(id)},
	} {
		if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], uintptr(id)); errno != 0 {
			return errno
		}
	}
	return nil
}
