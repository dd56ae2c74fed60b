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
		if limit, err := sysctl("fs/mqueue/" + l.file); err == nil && l.n > limit {
			return fmt.Errorf("%w: %s=%d is more than %d, the limit for users: sysctl fs.mqueue.%s=%d",
				unix.EINVAL, l.key, l.n, limit, l.file, l.n)
		}
	}
	return unix.EINVAL
}
