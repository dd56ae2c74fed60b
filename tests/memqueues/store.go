// Package memqueues is a second store of queues, for tests: queues in memory, behind a link that takes a
// while. What a face of a queue promises holds for them as for the kernel's (TestConformance), although every
// try has to travel first, and every question about a queue takes its time.
package memqueues

import (
	"sync"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// A Store keeps queues. It is every part of a nodes.QueueStore.
type Store struct {
	link     *link
	defaults nodes.QueueRules

	mu     sync.Mutex
	queues map[string]*queue
	last   uint64 // number that was given to anything
}

// New makes a store behind a link that takes delay, one way.
func New(delay time.Duration, defaults nodes.QueueRules) *Store {
	return &Store{link: newLink(delay), defaults: defaults, queues: map[string]*queue{}, last: 1}
}

// Close ends the link, when nobody asks any more.
func (s *Store) Close() { s.link.Close() }

// Kind is the store's row in the table of kinds.
func (s *Store) Kind(env *nodes.Env, path string) nodes.Kind {
	store := nodes.QueueStore{Names: s, Opener: s, Rules: s, Leases: s, Peeks: true}
	return nodes.Kind{Name: path, Class: nodes.NewQueues(env, store), Elsewhere: env.Elsewhere()}
}

// at has f asked about the very queue.
func (s *Store) at(r nodes.Ref, f func(q *queue) error) (err error) {
	s.link.ask(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		q := s.queues[r.Path]
		switch {
		case q == nil:
			err = syscall.ENOENT
		case r.Was.ID != (backends.ID{}) && r.Was.ID != q.attr.ID:
			err = syscall.ESTALE
		default:
			err = f(q)
		}
	})
	return err
}

// Stat is nodes.QueueNames.Stat.
func (s *Store) Stat(r nodes.Ref, sized bool) (a nodes.Attr, err error) {
	err = s.at(r, func(q *queue) error {
		a = q.attr
		if sized {
			a = q.sized()
		}
		return nil
	})
	return a, err
}

// List is nodes.QueueNames.List.
func (s *Store) List() (list []nodes.Entry, err error) {
	s.link.ask(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for name := range s.queues {
			list = append(list, nodes.Entry{Name: name, Type: syscall.S_IFREG})
		}
	})
	return list, nil
}

// Change is nodes.QueueNames.Change.
func (s *Store) Change(r nodes.Ref, c nodes.Change) error {
	return s.at(r, func(q *queue) error {
		if err := r.Owned(q.attr); err != nil {
			return err
		}
		if c.Mode != nil {
			q.attr.Mode = syscall.S_IFREG | *c.Mode&07777
		}
		if c.Uid != nil {
			q.attr.Uid = *c.Uid
		}
		if c.Gid != nil {
			q.attr.Gid = *c.Gid
		}
		q.attr.Ctime = time.Now()
		return nil
	})
}

// Remove is nodes.QueueNames.Remove.
func (s *Store) Remove(name string, by backends.Cred) error {
	return s.at(nodes.Ref{Path: name}, func(q *queue) error {
		if by.Uid != 0 && by.Uid != q.attr.Uid {
			return syscall.EPERM
		}
		delete(s.queues, name)
		q.removed = true
		q.changed()
		return nil
	})
}

// Create is nodes.QueueOpener.Create.
func (s *Store) Create(
	name string, o nodes.Owner, r nodes.QueueRules, _ int, _ bool,
) (e nodes.QueueEnd, seen nodes.Seen, err error) {
	s.link.ask(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.queues[name] != nil {
			err = syscall.EEXIST
			return
		}
		if r.MaxMsg == 0 {
			r.MaxMsg = s.defaults.MaxMsg
		}
		if r.MsgSize == 0 {
			r.MsgSize = s.defaults.MsgSize
		}
		now := time.Now()
		s.last++
		q := &queue{all: s, name: name, rules: r, attr: nodes.Attr{
			ID:   backends.ID{Ino: s.last, Born: uint64(now.UnixNano())},
			Mode: syscall.S_IFREG | o.Mode, Nlink: 1, Uid: o.Uid, Gid: o.Gid, Atime: now, Mtime: now, Ctime: now,
		}}
		s.queues[name] = q
		e = q.open()
		seen = nodes.Seen{Ref: nodes.Ref{Path: name, Was: q.attr}, Message: true}
	})
	return e, seen, err
}

// Open is nodes.QueueOpener.Open: each who opens a queue has an end of their own.
func (s *Store) Open(r nodes.Ref, _ int, stays bool) (e nodes.QueueEnd, err error) {
	err = s.at(r, func(q *queue) error {
		if stays {
			if err := r.Judged(q.attr); err != nil {
				return err
			}
		}
		e = q.open()
		return nil
	})
	return e, err
}

// State is nodes.QueueRuler.State.
func (s *Store) State(r nodes.Ref) (state nodes.QueueState, err error) {
	err = s.at(r, func(q *queue) error {
		state = nodes.QueueState{
			QueueRules: q.rules, Born: q.attr.BornAt(), Messages: len(q.line), Lent: q.lent,
			Sent: q.sent, Received: q.received,
		}
		for _, e := range q.ends {
			state.Ends = append(state.Ends, e)
		}
		return nil
	})
	return state, err
}

// Set is nodes.QueueRuler.Set. A queue that is made smaller loses
// nothing; how long its messages may be is fixed.
func (s *Store) Set(r nodes.Ref, rules nodes.QueueRules) error {
	return s.at(r, func(q *queue) error {
		if rules.MsgSize != q.rules.MsgSize {
			return syscall.EOPNOTSUPP
		}
		q.rules = rules
		q.changed()
		return nil
	})
}
