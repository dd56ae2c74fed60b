package backends

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// The most that mq_open(3) takes from anybody (HARD_MSGMAX, HARD_MSGSIZEMAX; mq_overview(7)). Those without
// CAP_SYS_RESOURCE have the sysctls below that.
const (
	hardMsgMax     = 65536
	hardMsgSizeMax = 16 << 20
)

// tooLarge gives EINVAL, with which mq_open(3) refused the attributes, the number that is too large and its
// limit.
func tooLarge(attr *mqAttr) error {
	if attr == nil {
		return unix.EINVAL
	}
	for _, l := range []struct {
		key     string
		n, most int
		file    string
	}{{"maxmsg", attr.MaxMsg, hardMsgMax, "msg_max"}, {"msgsize", attr.MsgSize, hardMsgSizeMax, "msgsize_max"}} {
		if l.n > l.most {
			return fmt.Errorf("%w: %s=%d is more than %d, the most that the kernel takes", unix.EINVAL, l.key, l.n, l.most)
		}
		if limit := Sysctl("fs/mqueue/" + l.file); limit >= 0 && int64(l.n) > limit {
			return fmt.Errorf("%w: %s=%d is more than %d, the limit for users: sysctl fs.mqueue.%s=%d",
				unix.EINVAL, l.key, l.n, limit, l.file, l.n)
		}
	}
	return unix.EINVAL
}

// Limits is Limited.Limits: those of queues, as mq_overview(7) has them.
func (q *Queues) Limits() []Limit {
	count, bytes := q.usage()
	return []Limit{
		{"RLIMIT_MSGQUEUE", bytes, Rlimit(unix.RLIMIT_MSGQUEUE), "ulimit -q, or LimitMSGQUEUE= in systemd, before ipcfs starts"},
		{"fs.mqueue.queues_max", count, Sysctl("fs/mqueue/queues_max"), "sysctl fs.mqueue.queues_max=512"},
		{"fs.mqueue.msg_max", -1, Sysctl("fs/mqueue/msg_max"), "sysctl fs.mqueue.msg_max=1000 (for users; root may pass it)"},
		{"fs.mqueue.msgsize_max", -1, Sysctl("fs/mqueue/msgsize_max"), "sysctl fs.mqueue.msgsize_max=65536 (for users; root may pass it)"},
	}
}

// usage is how many queues there are, and how many bytes they take as the kernel counts them (getrlimit(2)), of the daemon's user in this
// namespace: those in other namespaces count too, and cannot be seen. -1: not known.
func (q *Queues) usage() (count, bytes int64) {
	list, err := q.List()
	if err != nil {
		return -1, -1
	}
	for _, e := range list {
		fd, err := openAny(e.Name)
		if err != nil {
			continue
		}
		if a, err := mqGetattr(fd); err == nil {
			bytes += queueCost(a.MaxMsg, a.MsgSize)
		}
		unix.Close(fd)
	}
	return int64(len(list)), bytes
}
