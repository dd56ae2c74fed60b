package ipctool

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// asCommand becomes another user, with some groups, and then the command.
func asCommand(args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	id, groups, err := parseUser(args[0])
	if err != nil {
		return err
	}
	if err := syscall.Setgroups(groups); err != nil {
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

// parseUser reads UID[:GROUP,…].
func parseUser(s string) (id int, groups []int, err error) {
	uid, list, _ := strings.Cut(s, ":")
	if id, err = strconv.Atoi(uid); err != nil {
		return 0, nil, err
	}
	for g := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(g)
		if err != nil {
			return 0, nil, err
		}
		groups = append(groups, n)
	}
	return id, groups, nil
}

// limitCommand sets a resource limit and becomes the command. The command cannot raise
// the limit: it has no CAP_SYS_RESOURCE, even as root.
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
	runtime.LockOSThread() // capabilities are a thread's
	err = unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_RESOURCE, 0, 0, 0)
	if err != nil && err != unix.EPERM { // EPERM: who may not take it away has no capabilities to lose
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
