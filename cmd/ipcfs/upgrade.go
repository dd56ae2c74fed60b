package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ipcfs/ipcfs/mount/keeper"
	"github.com/moby/sys/mountinfo"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// upgradeLimit is how long an upgrade may take: the keeper gives each of its steps less.
var upgradeLimit = slowly(time.Minute)

// upgradeCommand is `ipcfs upgrade`.
func upgradeCommand(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(out io.Writer, args []string) error {
		if len(args) != 1 {
			return usagef("one mount point is needed")
		}
		p, err := treeAround(args[0])
		if err != nil {
			return err
		}
		before, fd, err := keeperBy(p.Mountpoint, func() (facts, error) {
			f, err := daemonFacts(p.Info)
			if err != nil {
				return nil, notLive(p.Info, err)
			}
			return f, nil
		})
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if pid := int(before.num("keeper_pid")); isStopped(pid) {
			return fmt.Errorf("%s: its keeper is stopped (kill -CONT %d)", p.Mountpoint, pid)
		}
		if err := unix.PidfdSendSignal(fd, unix.SIGHUP, nil, 0); err != nil {
			return notYours(fmt.Errorf("%s: its keeper: %w", p.Mountpoint, err))
		}
		result, err := awaitUpgrade(p.Info, fd, before)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Mountpoint, err)
		}
		_, how, _ := strings.Cut(result.str("last_upgrade"), ", ")
		if how != keeper.Done {
			return fmt.Errorf("%s: not upgraded: %s", p.Mountpoint, strings.TrimPrefix(how, keeper.Done+", "))
		}
		_, err = fmt.Fprintf(out, "%s: ipcfs %s serves, pid %d\n",
			p.Mountpoint, result.str("version"), result.num("pid"))
		return err
	}
}

// daemonFacts are what ctl/status tells.
func daemonFacts(m *mountinfo.Info) (facts, error) {
	v, err := lookAt(m)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	return v.facts("ctl/status.json")
}

// keeperBy is a pidfd of the keeper of the tree at a mount point, and what that tells of itself. While an upgrade
// is under way the worker that told it may have left since: then it is asked again, a few times.
func keeperBy(at string, tell func() (facts, error)) (f facts, fd int, err error) {
	last := int64(0)
	for range 10 {
		if f, err = tell(); err != nil {
			return nil, -1, err
		}
		if !f.has("keeper_pid") {
			why := f.str("keeper_reason")
			if why == "" {
				why = "mount it anew without " + flagOf("keeper") + "=off"
			}
			return nil, -1, fmt.Errorf("%s: its daemon has no keeper, which an upgrade needs (%s)", at, why)
		}
		fd, err = keeperAt(int(f.num("keeper_pid")), int(f.num("pid")), f.str("mountpoint"))
		if err == nil {
			return f, fd, nil
		}
		if f.num("pid") == last {
			break
		}
		last = f.num("pid")
	}
	return nil, -1, fmt.Errorf("%s: %w", at, err)
}

// keeperAt is a pidfd of the keeper of a worker, which serves a mount point. Numbers of another pid namespace
// are those of strangers here: each of the two has to be what it is said to be, whatever its program's file is
// called. A keeper in the foreground may have had no room for a title, but a worker has.
func keeperAt(pid, worker int, mountpoint string) (int, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		what, at := titleOf(worker)
		known := isIpcfs(pid) || commandOf(pid) == "ipcfs" && what == "worker" && at == mountpoint
		if known && parentOf(worker) == pid {
			return fd, nil
		}
		unix.Close(fd)
	}
	return -1, fmt.Errorf("its keeper, pid %d, is not found among the processes here", pid)
}

// isStopped reports whether a process is stopped (SIGSTOP, or by a debugger).
func isStopped(pid int) bool { return slices.Contains([]string{"T", "t"}, statOf(pid)[0]) }

// parentOf is the process that another one is a child of; 0: it is not known.
func parentOf(pid int) int {
	parent, _ := strconv.Atoi(statOf(pid)[1])
	return parent
}

// statOf are the state of a process and its parent (proc_pid_stat(5)).
func statOf(pid int) [2]string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 2 {
		return [2]string{}
	}
	return [2]string(fields[:2])
}

// awaitUpgrade waits until an upgrade has ended that had not begun before, and ctl/status says so: one that was
// under way has perhaps another program. Nobody serves for a moment of it, but a read of an open file waits on.
func awaitUpgrade(m *mountinfo.Info, keeper int, before facts) (facts, error) {
	v, err := lookAt(m)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	ended, begun := before.num("upgrades"), max(before.num("upgrades"), before.num("upgrades_begun"))
	for end := time.Now().Add(upgradeLimit); ; {
		f, err := v.next("ctl/status.json", end)
		switch {
		case err == nil && f.num("upgrades") > begun:
			return f, nil
		case err == nil && f.num("upgrades") > ended: // the one before this
			ended, end = f.num("upgrades"), time.Now().Add(upgradeLimit)
			if f.num("upgrades_begun") > ended {
				break
			}
			// The signal came as the keeper became another program, which has not heard it.
			if err := unix.PidfdSendSignal(keeper, unix.SIGHUP, nil, 0); err != nil {
				return nil, fmt.Errorf("its keeper: %w", err)
			}
		case err == nil:
		case isGone(keeper, 0):
			return nil, errors.New("its keeper has ended")
		case errors.Is(err, errSilent) && time.Now().Before(end):
			return nil, err
		case errors.Is(err, errSilent):
			return nil, fmt.Errorf("the upgrade has not ended within %v: its keeper says nothing "+
				"(last_upgrade in ctl/status, and the log, tell how it ends)", upgradeLimit)
		default:
			return nil, err
		}
	}
}
