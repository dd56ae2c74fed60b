package backends

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Limit is a bound that the kernel or the user's session sets to what can be made.
type Limit struct {
	Name        string
	Used, Limit int64  // -1: not known, or no limit
	Raise       string // the command or setting that raises it
}

// Limited has lines of its own in /ctl/limits.
type Limited interface{ Limits() []Limit }

// Limits are the bounds of everything in the tree, as they are now: those of the kernel, and the budgets.
func Limits(q *Queues, shm *Dir, budgets ...Limited) []Limit {
	list := []Limit{
		msgqueueLimit(q),
		{"fs.mqueue.queues_max", queueCount(q), sysctlOr("fs/mqueue/queues_max"), "sysctl fs.mqueue.queues_max=512"},
		{"fs.mqueue.msg_max", -1, sysctlOr("fs/mqueue/msg_max"), "sysctl fs.mqueue.msg_max=1000 (for users; root may pass it)"},
		{"fs.mqueue.msgsize_max", -1, sysctlOr("fs/mqueue/msgsize_max"), "sysctl fs.mqueue.msgsize_max=65536 (for users; root may pass it)"},
		{"kernel.msgmni", msqCount(), sysctlOr("kernel/msgmni"), "sysctl kernel.msgmni=32000"},
		{"kernel.msgmax", -1, sysctlOr("kernel/msgmax"), "sysctl kernel.msgmax=65536"},
		{"kernel.msgmnb", -1, sysctlOr("kernel/msgmnb"), "sysctl kernel.msgmnb=65536"},
		{"kernel.shmmni", segmentCount(), sysctlOr("kernel/shmmni"), "sysctl kernel.shmmni=8192"},
		{"kernel.shmmax", -1, sysctlOr("kernel/shmmax"), "sysctl kernel.shmmax=BYTES"},
		{"kernel.shmall", -1, sysctlOr("kernel/shmall"), "sysctl kernel.shmall=PAGES"},
	}
	if s, err := shm.Space(); err == nil {
		total, free := int64(s.Blocks)*int64(s.Bsize), int64(s.Bavail)*int64(s.Bsize)
		list = append(list, Limit{"shm_bytes", total - free, total, "mount -o remount,size=80% /dev/shm"})
	}
	list = append(list,
		Limit{"RLIMIT_NOFILE", openDescriptors(), rlimit(unix.RLIMIT_NOFILE), "ulimit -n, or LimitNOFILE= in systemd, before ipcfs starts"},
		Limit{"fs.inotify.max_user_instances", -1, sysctlOr("fs/inotify/max_user_instances"), "sysctl fs.inotify.max_user_instances=1024"},
		Limit{"fs.pipe-max-size", -1, sysctlOr("fs/pipe-max-size"), "sysctl fs.pipe-max-size=4194304"})
	for _, b := range budgets {
		list = append(list, b.Limits()...)
	}
	return list
}

// RaiseLimits gives the daemon as many descriptors and bytes of queues as it may have: the hard limit (setrlimit(2)), or with
// CAP_SYS_RESOURCE no limit for queues.
func RaiseLimits() {
	for _, what := range []int{unix.RLIMIT_NOFILE, unix.RLIMIT_MSGQUEUE} {
		var r unix.Rlimit
		if unix.Getrlimit(what, &r) != nil {
			continue
		}
		if what == unix.RLIMIT_MSGQUEUE && unix.Setrlimit(what, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}) == nil {
			continue
		}
		// Without the right to more the soft limit still goes up to the hard one; if even that fails, things stay as they are.
		_ = unix.Setrlimit(what, &unix.Rlimit{Cur: r.Max, Max: r.Max})
	}
}

// msgqueueLimit is RLIMIT_MSGQUEUE. What is used is reckoned as mq_overview(7) and getrlimit(2) say the kernel does, over the queues of
// the daemon's user in this namespace; those he has in others count too, and cannot be seen.
func msgqueueLimit(q *Queues) Limit {
	l := Limit{"RLIMIT_MSGQUEUE", 0, rlimit(unix.RLIMIT_MSGQUEUE), "ulimit -q, or LimitMSGQUEUE= in systemd, before ipcfs starts"}
	list, err := q.List()
	if err != nil {
		l.Used = -1
		return l
	}
	for _, e := range list {
		fd, err := openAny(e.Name)
		if err != nil {
			continue
		}
		if a, err := mqGetattr(fd); err == nil {
			l.Used += queueCost(a.MaxMsg, a.MsgSize)
		}
		unix.Close(fd)
	}
	return l
}

func queueCount(q *Queues) int64 {
	list, err := q.List()
	if err != nil {
		return -1
	}
	return int64(len(list))
}

func msqCount() int64 {
	info, _, err := msgLimits()
	if err != nil {
		return -1
	}
	return int64(info.msgpool)
}

func segmentCount() int64 {
	count, _, err := shmLast()
	if err != nil {
		return -1
	}
	return int64(count)
}

func rlimit(what int) int64 {
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

func sysctlOr(name string) int64 {
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
