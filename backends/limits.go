package backends

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Limit is a bound to what can be made. What a person reads about it is a row of the table in
// nodes/limits.go, by its name.
type Limit struct {
	Name        string
	Used, Limit int64  // -1: not known, or no limit
	Of          string // which directory it is about, if any
}

// Limited has lines of its own in /ctl/limits.
type Limited interface{ Limits() []Limit }

// Limits are the lines of all, as they are now.
func Limits(all []Limited) (list []Limit) {
	for _, l := range all {
		list = append(list, l.Limits()...)
	}
	return list
}

// Process is the daemon as what has limits of its own, whatever it serves.
type Process struct{}

// Limits is Limited.Limits.
func (Process) Limits() []Limit {
	return []Limit{
		{Name: "RLIMIT_NOFILE", Used: openDescriptors(), Limit: Rlimit(unix.RLIMIT_NOFILE)},
		{Name: "fs.file-max", Used: -1, Limit: Sysctl("fs/file-max")},
		{Name: "fs.inotify.max_user_instances", Used: -1, Limit: Sysctl("fs/inotify/max_user_instances")},
		{Name: "fs.pipe-max-size", Used: -1, Limit: Sysctl("fs/pipe-max-size")},
	}
}

// FileSystem is the room on the file system of a directory as a limit, in bytes.
type FileSystem struct {
	Dir  *Dir
	Name string // see Limit
}

// Limits is Limited.Limits: none if the kernel does not tell.
func (f FileSystem) Limits() []Limit {
	s, err := f.Dir.Space()
	if err != nil {
		return nil
	}
	total, free := int64(s.Blocks)*int64(s.Bsize), int64(s.Bavail)*int64(s.Bsize)
	return []Limit{{Name: f.Name, Used: total - free, Limit: total}}
}

// RaiseLimits gives the daemon as many descriptors and bytes of queues as it may have: the hard limit
// (setrlimit(2)), or with CAP_SYS_RESOURCE no limit for queues.
func RaiseLimits() {
	for _, what := range []int{unix.RLIMIT_NOFILE, unix.RLIMIT_MSGQUEUE} {
		var r unix.Rlimit
		if unix.Getrlimit(what, &r) != nil {
			continue
		}
		if what == unix.RLIMIT_MSGQUEUE &&
			unix.Setrlimit(what, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}) == nil {
			continue
		}
		// Without the right to more the soft limit still goes up to the hard one; if even that fails,
		// things stay as they are.
		_ = unix.Setrlimit(what, &unix.Rlimit{Cur: r.Max, Max: r.Max})
	}
}

// Rlimit is a soft limit of the daemon (getrlimit(2)), -1 if there is none or it is not known.
func Rlimit(what int) int64 {
	var r unix.Rlimit
	if unix.Getrlimit(what, &r) != nil || r.Cur == unix.RLIM_INFINITY {
		return -1
	}
	return int64(r.Cur)
}

func openDescriptors() int64 {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return int64(len(list))
}

// Sysctl is the number in a file below /proc/sys, -1 if it is not known.
func Sysctl(name string) int64 {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return -1
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return -1
	}
	return n
}
