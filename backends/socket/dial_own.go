package socket

import (
	"slices"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// ownDialler dials a Unix socket that the daemon itself listens on. connect(2) of a Unix socket has no
// descriptor to poll while the backlog is full, but it is us who make room in it. All fields are under
// l.mu.
type ownDialler struct {
	l       *Listener
	held    *held
	fd      int // that dials; -1: none yet
	who     backends.Cred
	pid     int
	patient bool
	wake    func()
	woken   bool // it was told of room, which is another's if it does not take it
}

// try is dialler.try.
func (d *ownDialler) try() (int, error) {
	d.l.mu.Lock()
	defer d.l.mu.Unlock()
	if d.l.fd < 0 {
		d.hangUp()
		return -1, unix.ECONNREFUSED
	}
	var err error
	switch {
	case d.fd < 0:
		if d.fd, err = newSocket(unix.AF_UNIX, d.l.addr.Type); err != nil {
			d.end()
			return -1, backends.Explain(err)
		}
		d.held.keep(d.fd)
	case dialledBefore(d.fd):
		d.woken = false
		d.end()
		return d.fd, nil
	}
	// The kernel has checked already that they may open the face, and so may connect.
	err = backends.As(d.who, backends.OverrideDAC, func() error {
		return unix.Connect(d.fd, &unix.SockaddrUnix{Name: d.l.addr.Path})
	})
	backends.Point("dialled")
	if err == nil {
		d.l.called(Peer{Pid: d.pid, Uid: d.who.Uid, Gid: d.who.Gid})
		d.woken = false
		d.end()
		return d.fd, nil
	}
	if err != unix.EAGAIN {
		d.hangUp()
		d.end()
		return -1, err
	}
	if !d.patient {
		d.hangUp()
		return -1, err
	}
	if d.woken {
		d.l.waiting = slices.Insert(d.l.waiting, 0, d) // somebody native was faster
	} else if !slices.Contains(d.l.waiting, d) {
		d.l.waiting = append(d.l.waiting, d)
	}
	d.woken = false
	return -1, backends.ErrWouldBlock
}

// hangUp closes the socket.
func (d *ownDialler) hangUp() {
	if d.fd >= 0 {
		_ = d.held.end(d.fd)
	}
	d.fd = -1
}

// end leaves the line. The one that waits for d need not be the one that has just tried: it is woken if
// nothing else will do so. The caller holds l.mu.
func (d *ownDialler) end() {
	n := len(d.l.waiting)
	d.l.waiting = slices.DeleteFunc(d.l.waiting, func(o *ownDialler) bool { return o == d })
	if len(d.l.waiting) < n && d.wake != nil {
		d.l.s.poll.Soon(d.wake)
	}
	d.passOn()
}

// passOn gives the room that d was told of to another. The caller holds l.mu.
func (d *ownDialler) passOn() {
	if d.woken {
		d.woken = false
		d.l.admit(1)
	}
}

// arm is dialler.arm.
func (d *ownDialler) arm(wake func()) {
	d.l.mu.Lock()
	defer d.l.mu.Unlock()
	d.wake = wake
	if d.woken || d.l.fd < 0 {
		d.l.s.poll.Soon(wake)
	}
}

// stop is dialler.stop.
func (d *ownDialler) stop() {
	d.l.mu.Lock()
	defer d.l.mu.Unlock()
	d.hangUp()
	d.l.waiting = slices.DeleteFunc(d.l.waiting, func(o *ownDialler) bool { return o == d })
	d.passOn()
}
