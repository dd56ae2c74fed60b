package mqueue

import (
	"errors"
	"fmt"
	"os"

	"github.com/ipcfs/ipcfs/backends"
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
			return &backends.Refusal{
				Err: unix.EINVAL, Why: backends.AboveKernel, Name: l.key, Value: int64(l.n),
				Most: int64(l.most),
			}
		}
		if limit := backends.Sysctl("fs/mqueue/" + l.file); limit >= 0 && int64(l.n) > limit {
			return &backends.Refusal{Err: unix.EINVAL, Why: backends.AboveUsers,
				Limit: "fs.mqueue." + l.file, Name: l.key,
				Value: int64(l.n), Most: limit}
		}
	}
	return unix.EINVAL
}

// Limits is Limited.Limits: those of queues, as mq_overview(7) has them.
func (q *Queues) Limits() []backends.Limit {
	count, bytes := q.usage()
	return []backends.Limit{
		{Name: "RLIMIT_MSGQUEUE", Used: bytes, Limit: backends.Rlimit(unix.RLIMIT_MSGQUEUE)},
		{Name: "fs.mqueue.queues_max", Used: count, Limit: backends.Sysctl("fs/mqueue/queues_max")},
		{Name: "fs.mqueue.msg_max", Used: -1, Limit: backends.Sysctl("fs/mqueue/msg_max")},
		{Name: "fs.mqueue.msgsize_max", Used: -1, Limit: backends.Sysctl("fs/mqueue/msgsize_max")},
	}
}

// usage is how many queues there are, and how many bytes they take as the kernel counts them (getrlimit(2)),
// of the daemon's user in this namespace: those in other namespaces count too, and cannot be seen. -1: not
// known.
func (q *Queues) usage() (count, bytes int64) {
	list, err := q.listSoon()
	if err != nil {
		return -1, -1
	}
	for _, e := range list {
		fd, err := q.openAny(e.Name)
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

// listSoon is List that does not wait for those who hold the lock of the directory: ErrIncomplete.
func (q *Queues) listSoon() ([]backends.Entry, error) {
	if q.dir == nil {
		return q.List()
	}
	a, err := q.dir.Stat(backends.Ref{})
	if err != nil {
		return nil, err
	}
	var list []backends.Entry
	if !q.looks.OfClass(a, func() { list, err = q.List() }) {
		return nil, backends.ErrIncomplete
	}
	return list, err
}

// Refused is why the kernel would make no queue of the default attributes, nil if it would. One is made to
// find out: only the kernel knows whether the daemon may pass the sysctls. It costs nothing where nobody
// asked for other defaults.
func (q *Queues) Refused() error {
	attr, err := q.attributes(0, 0)
	if attr == nil || err != nil {
		return err
	}
	name := fmt.Sprintf("ipcfs-%d", os.Getpid())
	fd, err := mqOpen(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0600, attr)
	most, cost := backends.Rlimit(unix.RLIMIT_MSGQUEUE), queueCost(attr.MaxMsg, attr.MsgSize)
	switch {
	case err == unix.EINVAL:
		return tooLarge(attr)
	case err == unix.EMFILE && cost > most:
		return fmt.Errorf("%w: a queue of maxmsg=%d and msgsize=%d takes %d bytes, and RLIMIT_MSGQUEUE is %d",
			unix.EINVAL, attr.MaxMsg, attr.MsgSize, cost, most)
	case err != nil:
		return nil // it cannot be tried now, and whoever makes a queue is told why not
	}
	return errors.Join(mqUnlink(name), unix.Close(fd))
}
