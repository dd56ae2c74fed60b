package socket

import (
	"encoding/json"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// lists is what listens, as it outlives this process. The zero lists does not.
type lists struct {
	s *Maker
	r listRecord
}

// begin has it outlive this process: these sockets, of the object that is known by key.
func (l *lists) begin(s *Maker, key, name string, fds ...int) {
	if s.last.ledger == nil || l.s != nil {
		return
	}
	l.s, l.r = s, listRecord{Key: key, Name: name}
	for range fds {
		l.r.Numbers = append(l.r.Numbers, s.last.ledger.NextKept())
	}
	l.save()
	for i, fd := range fds {
		s.last.safe.Keep(l.r.Numbers[i], fd)
	}
}

func (l *lists) save() {
	if b, err := json.Marshal(&l.r); err == nil {
		l.s.last.ledger.Put(&l.r.at, backends.ListenRecord, l.r.Numbers[0], b)
	}
}

// end is to be called before the sockets are closed: then nobody has them.
func (l *lists) end() {
	if l.s == nil {
		return
	}
	l.s.last.ledger.Drop(&l.r.at)
	for _, n := range l.r.Numbers {
		l.s.last.safe.Drop(n, backends.CloseFirst)
	}
	l.s = nil
}

// Left is the name at which the Unix socket of an object is bound that an earlier process listened with; "":
// none.
func (s *Maker) Left(key string) string { return s.last.lists[key].Name }

// again are the sockets with which an earlier process listened for an object; none: it did not.
func (s *Maker) again(key string) (l lists, fds []int) {
	r, ok := s.last.lists[key]
	if !ok {
		return l, nil
	}
	delete(s.last.lists, key)
	for _, n := range r.Numbers {
		fds = append(fds, s.last.left[n])
		delete(s.last.left, n)
	}
	return lists{s, r}, fds
}

// ListenAgain goes on with what an earlier process listened with for the object that is known by key; nil: it
// did not listen. It is for the start.
func (s *Maker) ListenAgain(key string, a Address, backlog int) *Listener {
	lasts, fds := s.again(key)
	if len(fds) == 0 {
		return nil
	}
	var first *Listener
	for i := len(fds) - 1; i >= 0; i-- {
		l := s.listener(fds[i], a, backlog)
		l.number = lasts.r.Numbers[i]
		l.dialled = s.last.calls[l.number]
		s.last.opened[l.number] = l
		l.other, first = first, l
	}
	first.lasts = lasts
	return first
}

// BindAgain is ListenAgain of datagrams.
func (s *Maker) BindAgain(key string, stat func() (backends.Attr, error)) *Datagrams {
	lasts, fds := s.again(key)
	if len(fds) == 0 {
		return nil
	}
	d := s.datagrams(fds, stat)
	d.counted(s, key)
	d.lasts = lasts
	return d
}

// Lasts has the listener outlive this process, as that of the object which is known by key. name is where a
// Unix socket is bound.
func (l *Listener) Lasts(key, name string) {
	fds := []int{l.fd}
	if l.other != nil {
		fds = append(fds, l.other.fd)
	}
	l.lasts.begin(l.s, key, name, fds...)
	for i, at := 0, l; at != nil && l.lasts.s != nil; i, at = i+1, at.other {
		at.number = l.lasts.r.Numbers[i]
	}
}

// Lasts is Listener.Lasts.
func (d *Datagrams) Lasts(key string) {
	var fds []int
	for _, c := range d.all {
		fds = append(fds, c.fd)
	}
	if d.lasts.s == nil {
		d.counted(d.all[0].s, key)
		d.lasts.begin(d.all[0].s, key, "", fds...)
	}
}

// called notes who has made a call through the daemon, until it is accepted. The caller holds l.mu.
func (l *Listener) called(p Peer) {
	w := waiter{Listener: l.number, Daemon: unix.Getpid(), Peer: p}
	if l.number != 0 {
		if b, err := json.Marshal(&w); err == nil {
			l.s.last.ledger.Put(&w.at, backends.CallRecord, l.s.last.ledger.NextKept(), b)
		}
	}
	l.dialled = append(l.dialled, w)
}
