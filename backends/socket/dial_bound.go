package socket

import (
	"context"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// boundDialler dials a socket that a program bound in the daemon's own tree. The kernel finds such a socket
// only by its node, so the daemon has to walk through its own mount, whose lookups it answers itself: a
// worker does that, and the rest of the daemon goes on answering (see connectThrough).
type boundDialler struct {
	s    *Maker
	held *held
	path string // below the root of the tree
	who  backends.Cred

	task *backends.Task
	got  *bound
	full bool // the backlog was, when it was tried last
}

// bound is how a worker fared.
type bound struct {
	fd  int
	err error
}

// boundRetry is how often a full backlog is looked at again: it is another program's, and there is nothing
// to poll.
const boundRetry = 50 * time.Millisecond

// try is dialler.try.
func (d *boundDialler) try() (int, error) {
	if d.s.root.Path == "" {
		return -1, unix.EOPNOTSUPP
	}
	if fd := d.held.left(); fd >= 0 {
		if dialledBefore(fd) {
			return fd, nil
		}
		_ = d.held.end(fd)
	}
	if d.task == nil {
		got := &bound{fd: -1, err: unix.ECANCELED}
		d.got, d.full = got, false
		d.task = d.s.work.Go(d.who.Uid, func(ctx context.Context) {
			if ctx.Err() == nil {
				got.fd, got.err = connectThrough(d.s.root, d.path, d.who, d.held)
			}
		})
	}
	if !d.task.Done() {
		return -1, backends.ErrWouldBlock
	}
	d.task = nil
	if d.full = d.got.err == unix.EAGAIN; d.full {
		return -1, backends.ErrWouldBlock
	}
	return d.got.fd, backends.Explain(d.got.err)
}

// arm is dialler.arm.
func (d *boundDialler) arm(wake func()) {
	if d.task != nil {
		d.task.Arm(backends.In, wake)
		return
	}
	time.AfterFunc(boundRetry, wake)
}

// stop is dialler.stop.
func (d *boundDialler) stop() {
	if d.task == nil {
		_ = d.held.end(d.held.left())
		return
	}
	got := d.got
	d.task.Abandon(func() {
		if got.fd >= 0 {
			_ = d.held.end(got.fd)
		}
	})
	d.task = nil
}
