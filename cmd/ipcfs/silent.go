package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// silent is dead of a tree whose daemon does not answer. A keeper ends a worker that hangs, and the next one
// goes on (keeper.look): whoever kills the keeper loses what it would save.
func silent(at string) (do string, why error) {
	daemons := daemonsAt(at)
	force := "ipcfs umount --force " + at
	for _, pid := range daemons {
		if isStopped(pid) {
			return fmt.Sprint("kill -CONT ", pid), fmt.Errorf("%s: its %s, pid %d, is stopped", at, roleOf(pid), pid)
		}
	}
	if len(daemons) == 0 || slices.ContainsFunc(daemons, func(pid int) bool { return roleOf(pid) != "keeper" }) {
		return force, fmt.Errorf("%s: its daemon%s does not answer", at, pidsOf(daemons))
	}
	var workers []int
	for _, pid := range daemons {
		workers = append(workers, workersOf(pid)...)
	}
	return "try again in 15 s; only if it does not answer for a minute: " + force,
		fmt.Errorf("%s: its worker%s does not answer; its keeper%s replaces one that hangs within some 10 s",
			at, pidsOf(workers), pidsOf(daemons))
}

// roleOf is "keeper" for a process that has workers, or calls itself so, and "daemon" for another one.
func roleOf(pid int) string {
	if isKeeper(pid) || len(workersOf(pid)) > 0 {
		return "keeper"
	}
	return "daemon"
}

// workersOf are the children of a process that are workers, by their title.
func workersOf(keeper int) []int {
	return slices.DeleteFunc(processes(), func(pid int) bool {
		what, _ := titleOf(pid)
		return what != "worker" || parentOf(pid) != keeper
	})
}

// titleOf is what a process has made of itself by title: "keeper" or "worker", "" if it has not, and of which
// mount point.
func titleOf(pid int) (what, mountpoint string) {
	args := argsOf(pid)
	if len(args) != 3 || args[0] != "ipcfs" || !slices.Contains([]string{"keeper", "worker"}, args[1]) ||
		commandOf(pid) != "ipcfs" {
		return "", ""
	}
	return args[1], args[2]
}

// argsOf are the arguments of a process (proc_pid_cmdline(5)), or what its title has in their place.
func argsOf(pid int) []string {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
}
