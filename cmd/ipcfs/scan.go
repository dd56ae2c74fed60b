package main

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxThings is how many descriptors and mappings of one user's processes a scan looks at where people wait
// for it: 5 to 10 µs each.
const maxThings = 1 << 16

// scan calls found for what every process holds: the files it has open, mapped, and stands in. A file system
// that hangs is not asked. The kernel tells only root about other users' processes. Of the processes of each
// user it looks at no more than most things, 0: at all; hasty are the users who have more. Those who have few
// processes come first.
func scan(most int, found func(holder)) (hasty []uint32) {
	of := map[uint32][]int{}
	for _, pid := range processes() {
		var st unix.Stat_t
		if unix.Stat("/proc/"+strconv.Itoa(pid), &st) == nil {
			of[st.Uid] = append(of[st.Uid], pid)
		}
	}
	uids := slices.SortedFunc(maps.Keys(of), func(a, b uint32) int { return cmp.Compare(len(of[a]), len(of[b])) })
	for _, uid := range uids {
		left := most
		if most == 0 {
			left = math.MaxInt
		}
		for _, pid := range of[uid] {
			left = scanOne(pid, left, found)
		}
		if left < 0 {
			hasty = append(hasty, uid)
		}
	}
	return hasty
}

// scanOne is scan of one process, and returns how many more things may be looked at; below 0: there was no
// room for all.
func scanOne(pid, left int, found func(holder)) int {
	h := holder{Pid: pid}
	proc := "/proc/" + strconv.Itoa(pid)
	tell := func(how, path string, file identity) {
		if h.Command == "" {
			h.Command = commandOf(pid)
		}
		h.How, h.path, h.file = how, strings.TrimSuffix(path, " (deleted)"), file
		found(h)
	}
	for _, link := range []string{"cwd", "root"} {
		if to, err := os.Readlink(proc + "/" + link); err == nil && to != "/" {
			tell("cwd", to, behind(proc, link))
		}
	}
	if dir, err := os.Open(proc + "/fd"); err == nil {
		defer dir.Close()
		for left >= 0 {
			fds, err := dir.Readdirnames(256)
			if err != nil {
				break
			}
			for _, fd := range fds {
				if left--; left < 0 {
					break
				}
				// What has no path is a pipe, a socket or the like.
				if to, err := os.Readlink(proc + "/fd/" + fd); err == nil && strings.HasPrefix(to, "/") {
					tell("open", to, behind(proc, "fd/"+fd))
				}
			}
		}
	}
	mapped, err := os.Open(proc + "/maps")
	if err != nil {
		return left
	}
	defer mapped.Close()
	var last identity
	for lines := bufio.NewScanner(mapped); left >= 0 && lines.Scan(); left-- {
		file, path, ok := mapping(lines.Text())
		if !ok || file == last {
			continue
		}
		if last = file; strings.HasPrefix(path, "/SYSV") {
			ns, _ := os.Readlink(proc + "/ns/ipc")
			file.in = ns
		}
		tell("map", path, file)
	}
	return left
}

// toldHasty says which users' processes were not all looked at.
func toldHasty(hasty []uint32) string {
	names := make([]string, len(hasty))
	for i, uid := range hasty {
		names[i] = owner(uid)
	}
	return fmt.Sprintf("of the processes of %s not all was looked at, as they hold too much: who uses what may be missing",
		strings.Join(names, ", "))
}
