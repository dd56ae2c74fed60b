package mqueue

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// All queues that are made through the daemon are its user's for the kernel (RLIMIT_MSGQUEUE,
// getrlimit(2)). So the daemon keeps to the limits of those who ask: nobody has queues of more bytes than
// their own soft limit allows, nor more than half of what the daemon may have, all users but root no more
// than three quarters. A queue counts for its owner until it is removed and nobody has it open.

// queueBytesUnknown is the limit of a user whose process cannot be looked at: the kernel's default
// (MQ_BYTES_MAX).
const queueBytesUnknown = 819200

func newQueueBytes() *backends.Budget {
	return backends.NewBudget(backends.Terms{Name: "queue_bytes", Err: unix.EDQUOT},
		func(int64) backends.Bounds { return queueBounds(backends.Rlimit(unix.RLIMIT_MSGQUEUE)) })
}

// queueBounds are the bounds where the daemon may have so many bytes; -1: any number.
func queueBounds(daemon int64) backends.Bounds {
	if daemon < 0 {
		return backends.Bounds{One: backends.Unbounded, All: backends.Unbounded, Root: backends.Unbounded}
	}
	return backends.Bounds{One: daemon / 2, All: daemon / 4 * 3, Root: backends.Unbounded}
}

// queueCost is what the kernel counts for a queue (mq_overview(7), getrlimit(2)).
func queueCost(maxmsg, msgsize int) int64 {
	const msgMsg, treeNode = 48, 48 // sizeof(struct msg_msg), sizeof(struct posix_msg_tree_node) on 64 bits
	return int64(maxmsg)*msgMsg + int64(min(maxmsg, PrioMax))*treeNode + int64(maxmsg)*int64(msgsize)
}

// pay counts a queue that is about to be made for its owner. attr is nil for the kernel's defaults.
func (q *Queues) pay(o backends.Owner, attr *mqAttr) (cost int64, err error) {
	if attr == nil {
		maxmsg, msgsize := backends.Sysctl("fs/mqueue/msg_default"), backends.Sysctl("fs/mqueue/msgsize_default")
		if maxmsg < 0 || msgsize < 0 {
			return 0, nil // no /proc/sys: the kernel's limit is all there is
		}
		attr = &mqAttr{MaxMsg: int(maxmsg), MsgSize: int(msgsize)}
	}
	if attr.MaxMsg < 0 || attr.MsgSize < 0 || attr.MaxMsg > hardMsgMax || attr.MsgSize > hardMsgSizeMax {
		return 0, nil // the kernel refuses it
	}
	cost = queueCost(attr.MaxMsg, attr.MsgSize)
	most := int64(backends.Unbounded)
	if o.Uid != 0 {
		most = queueBytesOf(o.Pid)
	}
	return cost, q.Bytes.TakeWithin(o.Uid, cost, most)
}

// queueBytesOf is the soft limit of a process (proc_pid_limits(5)).
func queueBytesOf(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil || pid <= 0 {
		return queueBytesUnknown
	}
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, "Max msgqueue size")
		if !ok {
			continue
		}
		soft, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		if soft == "unlimited" {
			return backends.Unbounded
		}
		if n, err := strconv.ParseInt(soft, 10, 64); err == nil {
			return n
		}
	}
	return queueBytesUnknown
}

// gone is told that a queue has no name any more. The caller holds q.mu.
func (q *Queues) gone(name string, p *past) {
	if q.pasts[name] == p {
		delete(q.pasts, name)
	}
	p.gone = true
	q.settle(p)
}

// settle gives back what a queue cost that has no name and that nobody has open any more, and forgets its
// past. The caller holds q.mu.
func (q *Queues) settle(p *past) {
	if !p.gone || p.holders > 0 {
		return
	}
	q.lasting.ledger.Drop(&p.record)
	if p.cost != 0 {
		q.Bytes.Give(p.uid, p.cost)
		p.cost = 0
	}
}

// count counts the queues that are there, when the daemon starts.
func (q *Queues) count() {
	list, err := q.List()
	if err != nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range list {
		fd, err := q.openAny(e.Name)
		if err != nil {
			continue
		}
		a, err := backends.Fstat(fd)
		attr, e2 := mqGetattr(fd)
		unix.Close(fd)
		if err != nil || e2 != nil {
			continue
		}
		p := q.past(e.Name, a.Ino)
		p.uid, p.cost = a.Uid, queueCost(attr.MaxMsg, attr.MsgSize)
		q.Bytes.Add(p.uid, p.cost)
	}
}

// lookPause is how long look does not look again: anybody can be refused.
const lookPause = time.Second

// look looks, when somebody was refused, for queues whose removal nobody told of, at most once in lookPause.
func (q *Queues) look() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.dir == nil || time.Since(q.looked) < lookPause {
		return
	}
	q.lookAtAll()
	q.looked = time.Now()
}

// lookAtAll finds the queues that have lost their names. The caller holds q.mu.
func (q *Queues) lookAtAll() {
	for name, p := range q.pasts {
		if a, err := q.Find(name); err != nil || a.Ino != p.ino {
			q.gone(name, p)
		}
	}
}
