package memqueues

import (
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// errNoMessage is the answer of Peek where there are not so many.
const errNoMessage = syscall.ENOMSG

// lease is one message that is lent. Where it is kept it is lent until it is done or returned, so there is
// nothing to record.
type lease struct {
	from *end
	message
	limit int

	back *trip // on which it is returned
}

// Lease is nodes.Leaser.Lease.
func (s *Store) Lease(from nodes.QueueEnd, _ uint32, _ []byte) (nodes.Lease, error) {
	l := &lease{from: from.(*end)}
	q := l.from.q
	var err error
	s.link.ask(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		var list []message
		if list, err = l.from.receive(-1, 0); err == nil {
			l.message, l.limit = list[0], q.rules.MaxTries
			l.tries++
			q.lent++
		}
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Message is nodes.Lease.Message.
func (l *lease) Message() ([]byte, backends.Meta) { return l.data, l.meta }

// Spent is nodes.Lease.Spent.
func (l *lease) Spent() bool { return l.limit > 0 && l.tries > l.limit }

// Record is nodes.Lease.Record.
func (l *lease) Record() error { return nil }

// Done is nodes.Lease.Done.
func (l *lease) Done() error {
	s := l.from.q.all
	s.link.ask(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		l.from.q.lent--
	})
	return nil
}

// Return is nodes.Lease.Return.
func (l *lease) Return() error {
	q := l.from.q
	q.all.mu.Lock()
	defer q.all.mu.Unlock()
	t := l.from.try(&l.back, func(t *trip) {
		if q.removed {
			t.err = backends.ErrRemoved
			return
		}
		q.lent--
		q.putBack(l.message)
	})
	if t == nil {
		return backends.ErrUnsettled
	}
	return t.err
}
