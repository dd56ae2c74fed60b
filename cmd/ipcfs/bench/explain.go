package bench

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// limits are the limits that stop mq_open(3), by its errno, and how to raise them.
var limits = []struct {
	errno syscall.Errno
	name  string
}{
	{syscall.EMFILE, "RLIMIT_MSGQUEUE, the bytes of all queues of a user: " +
		"ulimit -q, or LimitMSGQUEUE= in systemd"},
	{syscall.ENOSPC, "fs.mqueue.queues_max: sysctl fs.mqueue.queues_max=512"},
	{syscall.EINVAL, "fs.mqueue.msgsize_max: sysctl fs.mqueue.msgsize_max=65536"},
}

// explain names the limit that stopped a case. Where the tree refused something, ctl/err says why.
func (b *bench) explain(err error) string {
	var native *nativeError
	var errno syscall.Errno
	if errors.As(err, &native) && errors.As(err, &errno) {
		for _, l := range limits {
			if l.errno == errno {
				return fmt.Sprintf("%v (%s)", err, l.name)
			}
		}
	}
	if native == nil && errors.As(err, &errno) {
		if why, e := os.ReadFile(b.Tree + "/ctl/err"); e == nil && len(why) > 0 {
			_, what, _ := strings.Cut(strings.TrimSpace(string(why)), " ")
			return what
		}
	}
	return err.Error()
}

// nativeError is an error of making a queue with mq_open(3).
type nativeError struct{ err error }

func (e *nativeError) Error() string { return "mq_open: " + e.err.Error() }

func (e *nativeError) Unwrap() error { return e.err }
