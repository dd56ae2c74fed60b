package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// A holder is a process that has a file open (how is "open"), mapped
// ("map"), or stands in a directory ("cwd").
type holder struct {
	Pid     int    `json:"pid"`
	Command string `json:"command"`
	How     string `json:"how"`
	path    string // as /proc has it
	file    identity
}

// An identity says which file it is, whatever its name: by its file system, MAJOR:MINOR, and its inode
// number there. System V shared memory has the ipc namespace for a file system, and its id.
type identity struct {
	in  string
	ino uint64
}

func deviceOf(major, minor uint32) string { return fmt.Sprintf("%d:%d", major, minor) }

func (h holder) String() string { return fmt.Sprintf("%d %s", h.Pid, h.Command) }

// processes are the numbers of all processes.
func processes() (list []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

// commandOf is the name of a process's command (proc(5), comm) in
// letters that can be printed; "?" if it is gone.
func commandOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "?"
	}
	return printable(strings.TrimSuffix(string(b), "\n"))
}

// process is the process that a thread belongs to (Tgid in proc(5),
// status); the thread's own number if it is gone.
func process(tid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return tid
	}
	for line := range strings.Lines(string(b)) {
		if id, ok := strings.CutPrefix(line, "Tgid:"); ok {
			if pid, err := strconv.Atoi(strings.TrimSpace(id)); err == nil {
				return pid
			}
		}
	}
	return tid
}

// behind is the file that a link of /proc leads to. A mask of nothing and AT_STATX_DONT_SYNC have what the
// kernel knows, also of a tree whose daemon is dead or hangs, or that its owner keeps from all others; then
// the number of an open file is in fdinfo.
func behind(proc, link string) identity {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, proc+"/"+link, unix.AT_STATX_DONT_SYNC, 0, &st) != nil {
		return identity{}
	}
	file := identity{deviceOf(st.Dev_major, st.Dev_minor), st.Ino}
	if fd, open := strings.CutPrefix(link, "fd/"); open && file.ino == 0 {
		info, _ := os.ReadFile(proc + "/fdinfo/" + fd)
		for line := range strings.Lines(string(info)) {
			if ino, ok := strings.CutPrefix(line, "ino:"); ok {
				file.ino, _ = strconv.ParseUint(strings.TrimSpace(ino), 10, 64)
			}
		}
	}
	return file
}

// mapping is the file of a line of proc_pid_maps(5), and its path. It is not ok if there is no file.
func mapping(line string) (file identity, path string, ok bool) {
	head, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "/")
	f := strings.Fields(head)
	if !ok || len(f) != 5 {
		return file, "", false
	}
	var major, minor uint32
	if _, err := fmt.Sscanf(f[3], "%x:%x", &major, &minor); err != nil {
		return file, "", false
	}
	ino, err := strconv.ParseUint(f[4], 10, 64)
	return identity{deviceOf(major, minor), ino}, "/" + path, err == nil
}

// hasOne reports whether one of a list is of a process whose things are just looked at, and so at its end.
func hasOne(list []holder, pid int, how string) bool {
	for _, o := range slices.Backward(list) {
		if o.Pid != pid {
			return false
		}
		if how == "" || o.How == how {
			return true
		}
	}
	return false
}

// inside are the processes that use a mount, each once, without those that serve it. most and hasty are those
// of scan.
func inside(m *mountinfo.Info, most int) (list []holder, hasty []uint32) {
	serve := daemonsAt(m.Mountpoint)
	device := deviceOf(uint32(m.Major), uint32(m.Minor))
	hasty = scan(most, func(h holder) {
		if h.file.in == device && !hasOne(list, h.Pid, "") && !slices.Contains(serve, h.Pid) && h.Pid != os.Getpid() {
			list = append(list, h)
		}
	})
	return list, hasty
}

// orphan is what an end of a FIFO is known by that an earlier mount of the tree has left behind: its path in
// there, as that hangs nowhere any more, and its inode, which the next mount has, too.
func orphan(path string, ino uint64) identity { return identity{"orphaned /" + path, ino} }

// face is what a control file by which an object is used is known by: the path of the object in the tree.
func face(object string) identity { return identity{"ctl/" + object, 0} }

// onlyTell are the control files that tell of an object, and do not use it.
var onlyTell = []string{"ctl", "err", "status", "status.json", "watch"}

// holders are the processes that hold a file, by the file; without those of its daemon. most and hasty are
// those of scan.
func holders(tree *mountinfo.Info, daemon []int, most int) (of map[identity][]holder, hasty []uint32) {
	of = map[identity][]holder{}
	add := func(file identity, h holder) {
		if !slices.Contains(daemon, h.Pid) && !hasOne(of[file], h.Pid, h.How) {
			of[file] = append(of[file], h)
		}
	}
	device := deviceOf(uint32(tree.Major), uint32(tree.Minor))
	hasty = scan(most, func(h holder) {
		if name, ok := strings.CutPrefix(h.path, "/fifos/"); ok && h.How == "open" {
			h.How, h.file = "orphaned", orphan("fifos/"+name, h.file.ino)
		}
		add(h.file, h)
		name, ok := strings.CutPrefix(h.path, tree.Mountpoint+"/ctl/")
		if !ok || h.How != "open" || h.file.in != device || slices.Contains(onlyTell, path.Base(name)) {
			return
		}
		// Some faces are files in a directory: prio/7.
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			add(face(dir), h)
		}
	})
	return of, hasty
}

// A served is a daemon, and the mount point that it serves, or has served.
type served struct {
	pid int
	at  string
}

// daemonsAt are the daemons that serve, or have served, a mount point: also those whose mount was detached. A
// keeper stands for its workers. Those in another mount namespace, as a container's, are not among them: the
// same path leads elsewhere there.
func daemonsAt(mountpoint string) (list []int) {
	for _, d := range daemons(func(d served) bool { return d.at == mountpoint }) {
		list = append(list, d.pid)
	}
	return list
}

// daemons are all of those that it is asked for.
func daemons(which func(served) bool) (list []served) {
	here, _ := os.Readlink("/proc/self/ns/mnt")
	for _, pid := range processes() {
		if ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid)); err == nil && ns != here {
			continue
		}
		args := argsOf(pid)
		if len(args) < 2 || pid == os.Getpid() || !isIpcfs(pid) {
			continue
		}
		serves := slices.ContainsFunc(args, func(a string) bool { return a == "-f" || a == "--foreground" }) ||
			args[1] == "keeper" || args[1] == "worker"
		at := args[len(args)-1]
		if !filepath.IsAbs(at) {
			wd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
			at = filepath.Join(wd, at)
		}
		if d := (served{pid, filepath.Clean(at)}); serves && which(d) {
			list = append(list, d)
		}
	}
	return withoutChildren(list, parentOf)
}

// withoutChildren are the daemons of a list whose parents are not in it. What a process calls itself proves
// nothing: anybody's could hide the daemon as a keeper that it is not the worker of.
func withoutChildren(list []served, parent func(pid int) int) []served {
	all := slices.Clone(list)
	return slices.DeleteFunc(list, func(d served) bool {
		return slices.ContainsFunc(all, func(o served) bool { return o.pid == parent(d.pid) })
	})
}

// pidsOf is ", pid 12" for a message, "" if there is none.
func pidsOf(list []int) string {
	text := ""
	for _, pid := range list {
		text += fmt.Sprintf(", pid %d", pid)
	}
	return text
}

// printable is a text without what a terminal might take for a command.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
