package tests

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/tests/ipctool"
	"golang.org/x/sys/unix"
)

// enterNamespaces builds the daemon and runs the tests in namespaces of their own: whatever goes wrong there,
// the end of the pid namespace kills every process, and with the last of them all mounts and queues are gone.
func enterNamespaces() int {
	code, err := startInit()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests:", err)
		return 1
	}
	return code
}

func startInit() (code int, err error) {
	// Inherited descriptors, as flock's, end here: scripts count on 3 to be free.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return 1, fmt.Errorf("close_range (Linux 5.11): %w", err)
	}
	dev, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return 1, fmt.Errorf("%w (the tests mount the real daemon: "+
			"load the fuse module and let this user open its device)", err)
	}
	dev.Close()
	tmp, err := os.MkdirTemp("", "ipcfs-test-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if err := os.Chmod(tmp, 0755); err != nil {
		return 1, err
	}
	bin := filepath.Join(tmp, "bin")
	if err := errors.Join(putDaemon(bin), putPython(bin)); err != nil {
		return 1, err
	}
	putTool(bin)
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	// The result must not be cached: go test cannot see that it depends on the daemon.
	args := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(a string) bool {
		return strings.HasPrefix(a, "-test.testlogfile")
	})
	// Most tests wait for one another's processes most of the time. A flag
	// that a user gave comes later, and wins.
	args = slices.Insert(args, 0, fmt.Sprint("-test.parallel=", 4*runtime.GOMAXPROCS(0)))
	cmd := exec.Command(self, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), stageVar+"=init", fmt.Sprint(ipctool.SlowVar, "=", slowness()),
		"TMPDIR="+tmp, "GOTMPDIR="+tmp, "PATH="+bin+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	// Pdeathsig is sent when the thread that started the process ends. Signals of the terminal reach
	// the tests directly; the directory is removed after them.
	runtime.LockOSThread()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	err = cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return max(1, exit.ExitCode()), nil
	}
	if err != nil {
		return 1, fmt.Errorf("namespaces: %w (an ordinary user needs user namespaces, root needs CAP_SYS_ADMIN)", err)
	}
	return 0, nil
}

// putDaemon puts the program that is tested into a directory. It is built as it is released, without C
// (packaging/build), but for -race, which needs it.
func putDaemon(bin string) error {
	command := exec.Command("go", "build", raceFlag, "-o", bin+"/", "github.com/ipcfs/ipcfs/cmd/ipcfs")
	command.Env = append(os.Environ(), raceCgo)
	if *program != "" {
		if err := os.Mkdir(bin, 0755); err != nil {
			return err
		}
		command = exec.Command("cp", *program, filepath.Join(bin, "ipcfs"))
	}
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %v\n%s", command, err, out)
	}
	return nil
}

// putTool puts ipctool into a directory as a program of its own, which starts in a third of the time that
// this binary takes. Where it cannot be built, as there is no Go, this binary is ipctool.
func putTool(bin string) {
	command := exec.Command("go", "build", "-o", filepath.Join(bin, "ipctool"),
		"github.com/ipcfs/ipcfs/tests/ipctool/cmd")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	_ = command.Run()
}

// putPython puts the interpreter itself into a directory, if there is one: python3 may be the script of a
// manager of versions, which takes eight times as long as the interpreter to start.
func putPython(bin string) error {
	python, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		return nil // what needs it is skipped
	}
	return os.Symlink(strings.TrimSpace(string(python)), filepath.Join(bin, "python3"))
}

// runInit is process 1 of the pid namespace: it sets up the mounts, starts
// the tests and takes in orphans, as daemons are.
func runInit() int {
	if err := privateMounts(); err != nil {
		fmt.Fprintln(os.Stderr, "tests:", err)
		return 1
	}
	attr := &syscall.ProcAttr{Env: append(os.Environ(), stageVar+"=tests"), Files: []uintptr{0, 1, 2}}
	pid, err := syscall.ForkExec("/proc/self/exe", os.Args, attr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests:", err)
		return 1
	}
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			fmt.Fprintln(os.Stderr, "tests: wait:", err)
			return 1
		case got == pid && status.Exited():
			return status.ExitStatus()
		case got == pid:
			fmt.Fprintln(os.Stderr, "tests:", status.Signal())
			return 1
		}
	}
}

// withoutOthers takes out of sight the trees that are mounted here already: scripts name none, as whoever has
// one tree need not. In a user namespace what was mounted before it is there to stay (mount_namespaces(7)).
func withoutOthers() error {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		before, after, _ := strings.Cut(line, " - ")
		if !strings.HasPrefix(after, "fuse.ipcfs ") {
			continue
		}
		at := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(strings.Fields(before)[4])
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil && err != unix.EINVAL {
			return fmt.Errorf("hiding %s: %w", at, err)
		}
	}
	return nil
}

func privateMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := withoutOthers(); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting /proc (a container that hides parts of it does not let others mount it): %w", err)
	}
	// This is for the watchdog. Only real root may (fs/fuse/control.c);
	// others end a mount by killing its daemon.
	_ = unix.Mount("fusectl", "/sys/fs/fuse/connections", "fusectl", 0, "")
	if root, err := realRoot(); err == nil && root {
		_ = letUsersIn() // else the tests that need users see that there are none
	}
	return nil
}
