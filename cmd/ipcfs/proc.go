package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A holder is a process that has a file open (how is "open"), mapped
// ("map"), or stands in a directory ("cwd").
type holder struct {
	Pid     int    `json:"pid"`
	Command string `json:"command"`
	How     string `json:"how"`
	path    string // as /proc has it
}

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

// scan calls found for what every process holds: the files it has open, mapped, and
// stands in, by the names that the kernel has for them. It asks nothing of the files. The
// kernel tells only root about other users' processes.
func scan(found func(holder)) {
	for _, pid := range processes() {
		h := holder{Pid: pid}
		proc := "/proc/" + strconv.Itoa(pid)
		tell := func(how, path string) {
			if path == "" || path[0] != '/' {
				return
			}
			if h.Command == "" {
				h.Command = commandOf(pid)
			}
			h.How, h.path = how, strings.TrimSuffix(path, " (deleted)")
			found(h)
		}
		for _, link := range []string{"cwd", "root"} {
			if to, err := os.Readlink(proc + "/" + link); err == nil && to != "/" {
				tell("cwd", to)
			}
		}
		fds, _ := os.ReadDir(proc + "/fd")
		for _, fd := range fds {
			if to, err := os.Readlink(proc + "/fd/" + fd.Name()); err == nil {
				if queue := nativeQueue(proc+"/fd/"+fd.Name(), to); queue != "" {
					to = queue
				}
				tell("open", to)
			}
		}
		maps, _ := os.ReadFile(proc + "/maps")
		var last string
		for line := range bytes.Lines(maps) {
			if at := bytes.IndexByte(line, '/'); at >= 0 {
				if to := strings.TrimSuffix(string(line[at:]), "\n"); to != last {
					tell("map", to)
					last = to
				}
			}
		}
	}
}

// mqueueMagic is MQUEUE_MAGIC (ipc/mqueue.c).
const mqueueMagic = 0x19800202

// nativeQueue is the path in a tree of a POSIX queue, whose descriptor leads to "/NAME"
// (mq_overview(7)); it is "" if the descriptor is of something else.
func nativeQueue(link, to string) string {
	if strings.Count(to, "/") != 1 || len(to) < 2 {
		return ""
	}
	var st unix.Statfs_t
	if unix.Statfs(link, &st) != nil || st.Type != mqueueMagic {
		return ""
	}
	return "/dev/mqueue" + to
}

// inside are the processes that use the mount at a mount point, each once, without those that serve it.
func inside(mountpoint string) (list []holder) {
	serve := daemonsAt(mountpoint)
	scan(func(h holder) {
		in := h.path == mountpoint || strings.HasPrefix(h.path, mountpoint+"/")
		known := slices.ContainsFunc(list, func(o holder) bool { return o.Pid == h.Pid })
		if in && !known && !slices.Contains(serve, h.Pid) && h.Pid != os.Getpid() {
			list = append(list, h)
		}
	})
	return list
}

// holders are those of objects natively, by the paths that the objects have in a tree:
// queues/NAME, shm/NAME, and what is open through the mount point and does not pass through the
// daemon. The daemon of the tree is left out.
func holders(mountpoint string, daemon int) map[string][]holder {
	of := map[string][]holder{}
	scan(func(h holder) {
		if h.Pid == daemon {
			return
		}
		for _, way := range []struct{ native, class string }{
			{"/dev/mqueue/", "queues/"}, {"/dev/shm/", "shm/"}, {mountpoint + "/", ""},
		} {
			name, ok := strings.CutPrefix(h.path, way.native)
			if !ok {
				continue
			}
			name = way.class + name
			if !slices.ContainsFunc(of[name], func(o holder) bool { return o.Pid == h.Pid && o.How == h.How }) {
				of[name] = append(of[name], h)
			}
		}
	})
	return of
}

// daemonsAt are the daemons that serve, or have served, a mount point: also those whose mount was detached.
func daemonsAt(mountpoint string) (list []int) {
	for _, pid := range processes() {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
		if err != nil || len(args) < 2 || pid == os.Getpid() || !isIpcfs(pid) {
			continue
		}
		serves := slices.ContainsFunc(args, func(a string) bool { return a == "-f" || a == "--foreground" }) ||
			args[1] == "keeper" || args[1] == "worker"
		at := args[len(args)-1]
		if !filepath.IsAbs(at) {
			wd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
			at = filepath.Join(wd, at)
		}
		if serves && filepath.Clean(at) == mountpoint {
			list = append(list, pid)
		}
	}
	return list
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
