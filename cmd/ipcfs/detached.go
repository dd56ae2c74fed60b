package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/mount"
)

// checkDetached looks for daemons whose mount was detached (umount -l), and that go on for programs that have
// files of it open: at one mount point, or all.
func checkDetached(at string) (list []finding) {
	strays := detachedDaemons(at)
	var pids []int
	for _, d := range strays {
		pids = append(pids, d.pid)
	}
	if staying(pids, askLimit) == nil {
		return nil // they were about to end
	}
	for _, d := range detachedDaemons(at) { // or have mounted meanwhile
		if !slices.Contains(strays, d) {
			continue
		}
		what, do := "not mounted, but its", "ipcfs umount --force "+backends.Quote(d.at)
		if m, err := mount.Uppermost(d.at); err == nil && m != nil {
			what, do = "mounted anew, but the other", fmt.Sprint("kill ", d.pid)
		}
		list = append(list, warn(do, "%s: %s daemon, pid %d, still serves those who have files of it open",
			d.at, what, d.pid))
	}
	return list
}

// detachedDaemons are the daemons at a mount point, or anywhere in this mount namespace, that serve none that
// is mounted. What a stranger's process says of itself is compared with the kernel's list, and nothing is
// opened there.
func detachedDaemons(at string) []served {
	all := daemons(func(d served) bool {
		_, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", d.pid)) // else it may be of another namespace
		return err == nil && (at == "" || d.at == at)
	})
	return slices.DeleteFunc(slices.Clone(all), func(d served) bool {
		m, err := mount.Uppermost(d.at)
		if err != nil || m == nil || !ours(m) {
			return false
		}
		if !slices.ContainsFunc(all, func(o served) bool { return o.at == d.at && o != d }) {
			return true
		}
		pid, err := ask(m)
		return err != nil || pid == d.pid || parentOf(pid) == d.pid
	})
}

// detachedAt is checkDetached at what a command was given as a mount point.
func detachedAt(name string) []finding {
	at, err := filepath.Abs(name)
	if err != nil {
		return nil
	}
	return checkDetached(at)
}
