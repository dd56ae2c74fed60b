package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/mount"
	"github.com/moby/sys/mountinfo"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

var (
	askLimit    = slowly(2 * time.Second) // for a daemon to say who it is
	readerLimit = slowly(time.Second)     // for a process that has asked it to end
	// for a daemon to unmount and end: mount.Session.Unmount has three steps of two seconds
	umountLimit = slowly(10 * time.Second)
	// for a daemon whose mount is gone: a keeper ends a worker that hangs some 13 seconds later
	stayLimit = slowly(20 * time.Second)
)

// unmounting is how `ipcfs umount` treats programs that use the tree.
type unmounting struct{ wait, force bool }

func umountCommand(f *pflag.FlagSet) func(io.Writer, []string) error {
	var u unmounting
	f.BoolVar(&u.wait, "wait", false, "first wait until nobody uses the tree")
	f.BoolVar(&u.force, "force", false, "say nothing of who uses it, and kill a daemon that hangs")
	return func(_ io.Writer, args []string) error {
		if len(args) != 1 {
			return usagef("one mount point is needed")
		}
		if u.wait && u.force {
			return usagef("--wait and --force: one of them")
		}
		return u.umount(args[0])
	}
}

func (u unmounting) umount(path string) error {
	m, err := mountAt(path)
	switch {
	case err != nil:
		return err
	case m == nil:
		return u.detached(path)
	case !ours(m):
		return fmt.Errorf("%s: not an ipcfs mount but %s", path, m.FSType)
	}
	users, hasty := u.users(m)
	daemons := daemonsAt(m.Mountpoint)
	ended, err := u.take(m, path)
	if err != nil {
		return err
	}
	if u.force {
		return endByForce(daemons)
	}
	left := staying(daemonsAt(m.Mountpoint), askLimit)
	if !ended && len(left) > 0 && !slices.ContainsFunc(left, isStopped) {
		fmt.Fprintf(os.Stderr, "ipcfs: %s is not mounted any more, waiting for its daemon%s, to end\n", path, pidsOf(left))
		left = staying(left, stayLimit)
	}
	if len(users) > 0 {
		fmt.Fprintf(os.Stderr, "ipcfs: %s was in use, and has ended for: %s"+
			" (--wait waits until nobody uses it, --force says nothing and kills a daemon that hangs)\n",
			path, named(users))
		if len(hasty) > 0 {
			fmt.Fprintln(os.Stderr, "ipcfs: "+toldHasty(hasty))
		}
	}
	if len(left) == 0 {
		return nil
	}
	who := "its daemon%s, has not ended"
	if ended {
		who = "another daemon of it%s, still serves those who have files of it open"
	}
	err = fmt.Errorf("%s is not mounted any more, but "+who+" (ipcfs umount --force %s ends it)", path, pidsOf(left), path)
	if ended {
		fmt.Fprintln(os.Stderr, "ipcfs:", err)
		return nil
	}
	return err
}

// take takes the mount away, and reports whether its daemon is known to have ended.
func (u unmounting) take(m *mountinfo.Info, path string) (bool, error) {
	if pid, err := ask(m); err == nil {
		ended, err := end(m, pid)
		if ended || err != nil {
			return ended, err
		}
	}
	if !mounted(m) {
		return false, nil // and what may be mounted below it is not ours to take away
	}
	// The daemon does not answer, or cannot unmount.
	if err := mount.Unmount(m.Mountpoint); err != nil {
		return false, notYours(err)
	}
	if !awaitUnmount(m, -1, umountLimit) {
		return false, fmt.Errorf("%s: still mounted", path)
	}
	return false, nil
}

// usersPeriod is how often --wait looks who uses a tree: the kernel tells nobody when a file is closed.
const usersPeriod = 100 * time.Millisecond

// users are the processes that use a tree; hasty is that of scan. With --wait it says whom it waits for, and
// returns when there are none; with --force it does not look.
func (u unmounting) users(m *mountinfo.Info) (list []holder, hasty []uint32) {
	if u.force {
		return nil, nil
	}
	if !u.wait {
		return inside(m, maxThings)
	}
	for said := ""; ; {
		list, _ := inside(m, 0)
		if len(list) == 0 {
			return nil, nil
		}
		if text := named(list); text != said {
			fmt.Fprintf(os.Stderr, "ipcfs: %s is in use, waiting for: %s\n", m.Mountpoint, text)
			said = text
		}
		time.Sleep(usersPeriod)
	}
}

// maxNamed is how many processes a message names.
const maxNamed = 8

// named are processes for a message.
func named(list []holder) string {
	var names []string
	for _, h := range list[:min(len(list), maxNamed)] {
		names = append(names, fmt.Sprintf("%v (%s)", h, printable(h.path)))
	}
	if more := len(list) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// detached is what to do where nothing is mounted: a daemon whose mount was detached
// (umount -l) goes on for programs that have files of it open.
func (u unmounting) detached(path string) error {
	at, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	daemons := daemonsAt(at)
	switch {
	case len(daemons) == 0:
		return fmt.Errorf("%s: not mounted", path)
	case u.force:
		return endByForce(daemons)
	}
	return fmt.Errorf("%s: not mounted, but its daemon%s, still serves those who have files of it open "+
		"(ipcfs umount --force %s ends it)", path, pidsOf(daemons), path)
}

// endByForce ends daemons: with SIGTERM, and those that do not heed it with SIGKILL.
func endByForce(daemons []int) error {
	for _, pid := range daemons {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // it has ended
		}
		defer unix.Close(fd)
		for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
			err := unix.PidfdSendSignal(fd, sig, nil, 0)
			if err == unix.ESRCH || isGone(fd, askLimit) {
				break
			}
			if err != nil {
				return notYours(fmt.Errorf("pid %d: %w", pid, err))
			}
		}
	}
	return nil
}

// staying are those of a list of processes that do not end within limit, all together.
func staying(list []int, limit time.Duration) (left []int) {
	until := time.Now().Add(limit)
	for _, pid := range list {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // it has ended
		}
		if !isGone(fd, max(0, time.Until(until))) {
			left = append(left, pid)
		}
		unix.Close(fd)
	}
	return left
}

// isGone waits until the process of a pidfd has ended, for limit at most, and reports whether it has.
func isGone(pidfd int, limit time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(limit.Milliseconds()))
	return err == nil && n == 1
}

// notYours adds the likely reason to an error of unmounting.
func notYours(err error) error {
	if os.Geteuid() == 0 {
		return err
	}
	return fmt.Errorf("%w (no permission? root may, and who mounted it)", err)
}

// end has the daemon unmount m and waits until it has ended, so that its state
// directory is free. It reports whether that is so.
func end(m *mountinfo.Info, pid int) (bool, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false, nil
	}
	defer unix.Close(fd)
	// This is after pidfd_open, so that the process that is looked at is the one that gets the signal.
	if !isIpcfs(pid) {
		return false, nil
	}
	keeper := -1
	if parent := parentOf(pid); isKeeper(parent) { // it has the state directory as its worker has
		if keeper, err = unix.PidfdOpen(parent, 0); err == nil {
			defer unix.Close(keeper)
		}
	}
	switch err := unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0); err {
	case nil:
		ended := awaitUnmount(m, fd, umountLimit)
		if ended && keeper >= 0 {
			ended = isGone(keeper, umountLimit)
		}
		return ended, nil
	case unix.EPERM:
		return false, notYours(fmt.Errorf("%s: pid %d: %w", m.Mountpoint, pid, err))
	}
	return false, nil
}

// isKeeper reports whether a process is the keeper of some worker.
func isKeeper(pid int) bool {
	args := argsOf(pid)
	return len(args) > 1 && args[1] == "keeper" && isIpcfs(pid)
}

// isIpcfs reports whether a process runs this program, or says so by its title, as its file may have any name. A
// user who may not look at its executable can still see its name.
func isIpcfs(pid int) bool {
	proc := "/proc/" + strconv.Itoa(pid)
	own, _ := os.Readlink("/proc/self/exe")
	if exe, err := os.Readlink(proc + "/exe"); err == nil {
		exe = strings.TrimSuffix(exe, " (deleted)")
		what, _ := titleOf(pid)
		return exe == own || strings.HasPrefix(filepath.Base(exe), "ipcfs") || what != ""
	}
	comm, err := os.ReadFile(proc + "/comm")
	return err == nil && strings.HasPrefix(string(comm), "ipcfs")
}

// errSilent says that a tree did not answer in time.
var errSilent = errors.New("the daemon does not answer")

// ask asks a tree for its daemon's process id. ENOTCONN: the daemon is dead. Another
// process does the asking (see reader).
func ask(m *mountinfo.Info) (pid int, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	cmd := reader(m, w, "_pid", m.Mountpoint)
	err = cmd.Start()
	w.Close()
	if err != nil {
		return 0, err
	}
	if err := r.SetReadDeadline(time.Now().Add(askLimit)); err != nil {
		return 0, err
	}
	answer, err := io.ReadAll(io.LimitReader(r, 64))
	if err != nil {
		endReader(cmd)
		return 0, errSilent
	}
	if err := cmd.Wait(); err != nil {
		return 0, err
	}
	var errno int
	if _, err := fmt.Sscan(string(answer), &pid, &errno); err != nil {
		return 0, err
	}
	if pid == 0 && errno == 0 {
		return 0, errSilent
	}
	if errno != 0 {
		return 0, syscall.Errno(errno)
	}
	return pid, nil
}

// asOwner has root ask a tree as its owner does, who may have kept it from all others (fuse(8), allow_other).
func asOwner(m *mountinfo.Info) *syscall.SysProcAttr {
	var owner syscall.Credential
	for option := range strings.SplitSeq(m.VFSOptions, ",") {
		name, value, _ := strings.Cut(option, "=")
		id, err := strconv.ParseUint(value, 10, 32)
		switch {
		case err != nil:
		case name == "user_id":
			owner.Uid = uint32(id)
		case name == "group_id":
			owner.Gid = uint32(id)
		}
	}
	if os.Geteuid() != 0 || owner.Uid == 0 {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &owner}
}

// pidCommand prints the process id of the daemon of the tree at args[0], and the errno of asking for it.
func pidCommand(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(out io.Writer, args []string) error {
		if len(args) != 1 {
			return usagef("one mount point is needed")
		}
		pid, err := os.ReadFile(args[0] + "/ctl/pid")
		text := "pid=" + string(pid)
		if errors.Is(err, os.ErrNotExist) { // a daemon of before there was this file
			pid, err = os.ReadFile(args[0] + "/ctl/status")
			text = string(pid)
		}
		var errno syscall.Errno
		errors.As(err, &errno)
		_, err = fmt.Fprintln(out, statusPid(text), int(errno))
		return err
	}
}

// statusPid finds the process id in a text of facts; 0 if it is not there.
func statusPid(status string) int {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "pid="); ok {
			pid, _ := strconv.Atoi(value)
			return pid
		}
	}
	return 0
}
