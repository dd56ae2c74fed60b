package mqueue

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"sync"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// comingBack are messages of one queue that an earlier daemon had handed out, until there is room for them in
// the queue. It holds the queue open by a descriptor of its own: another waiter has that of the others armed.
type comingBack struct {
	all  *Leases
	to   *Queue
	told func(queue string, back int, err error)

	mu   sync.Mutex
	list []*Lease // the oldest first
}

// Recover puts back what a daemon that died had handed out. What does not fit into its queue comes back as
// soon as there is room. Messages whose queue is gone, or somebody else's by now, stay where they are for
// another start, and so does what cannot be read. told is called for each queue with how many messages came
// back, or why not ("" is the directory), and again by the poller when there is room for more.
func (l *Leases) Recover(q *Queues, told func(queue string, back int, err error)) {
	l.lastsIn(q)
	l.fromDesks(q)
	byQueue := map[string][]*Lease{}
	l.find("", func(one *Lease, err error) {
		if err != nil {
			told("", 0, err)
			return
		}
		if l.Held != nil { // nobody had it yet, or, of those that wait for room, one try is forgotten
			one.Tries = max(0, one.Tries-1)
		}
		l.count(one.uid, len(one.Data))
		l.mu.Lock()
		l.add(one)
		l.mu.Unlock()
		byQueue[one.queue] = append(byQueue[one.queue], one)
	})
	for queue, list := range byQueue {
		slices.SortFunc(list, func(a, b *Lease) int {
			return cmp.Or(cmp.Compare(len(a.file), len(b.file)), cmp.Compare(a.file, b.file))
		})
		to, err := q.alone(queue)
		if err != nil {
			told(queue, 0, fmt.Errorf("%d messages on lease cannot come back: %w", len(list), err))
			continue
		}
		back := &comingBack{all: l, to: to, told: told, list: list}
		l.mu.Lock()
		l.waiting[queue] = back
		l.mu.Unlock()
		back.try()
	}
}

// Resume goes on with a lease that another process had handed out, by its record.
func (l *Leases) Resume(record string) (*Lease, error) {
	one, err := readRecord(l.dir.Fd(), record)
	if err != nil {
		return nil, err
	}
	one.file, one.all = record, l
	l.count(one.uid, len(one.Data))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(one)
	return one, nil
}

// Name is that of the lease's record, by which Resume finds it.
func (one *Lease) Name() string { return one.file }

// find calls f for each lease in the directory that is not held, and for what is none. Earlier versions had a
// directory for each queue, in which it then looks too, and which it removes when it is empty.
func (l *Leases) find(queue string, f func(*Lease, error)) {
	list, err := l.dir.List(backends.Ref{Path: queue})
	if err != nil {
		f(nil, fmt.Errorf("leases/%s: %w", queue, err))
		return
	}
	for _, e := range list {
		if e.Type == unix.S_IFDIR && queue == "" {
			l.find(e.Name, f)
			_ = l.dir.Rmdir(backends.Named(e.Name))
			continue
		}
		file := path.Join(queue, e.Name)
		if l.Held[file] {
			continue
		}
		one, err := readRecord(l.dir.Fd(), file)
		if err == nil {
			one.file = file
			if queue != "" {
				one.queue = queue
			} else {
				err = valid(one)
			}
		}
		if err != nil {
			f(nil, fmt.Errorf("leases/%s: %w", file, err))
			continue
		}
		one.all = l
		f(one, nil)
	}
}

// valid reports whether a lease has a name that later ones do not get.
func valid(one *Lease) error {
	if _, err := strconv.ParseInt(one.file, 10, 64); err != nil || one.queue == "" {
		return errRecord
	}
	return nil
}

// try puts back what there is room for, and waits for more room if there is not. It is called by Recover,
// the poller and Forget.
func (c *comingBack) try() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.list) == 0 {
		return
	}
	back := 0
	var failed error
	for len(c.list) > 0 {
		switch err := c.one(c.list[0]); err {
		case backends.ErrWouldBlock:
			c.report(back, failed)
			c.to.Arm(backends.Out, c.try)
			return
		case nil:
			back++
		case backends.ErrRemoved: // the message has gone the way of its queue
		default:
			failed = err
		}
		c.list = c.list[1:]
	}
	c.report(back, failed)
	c.end()
}

func (c *comingBack) report(back int, err error) {
	if back > 0 || err != nil {
		c.told(c.to.name, back, err)
	}
}

// one puts one message back, into the queue that it was taken from, or one that the same user has made in its
// place: nobody else gets to read it. ErrRemoved: the queue has no name any more, and the lease is done.
func (c *comingBack) one(one *Lease) error {
	a, err := backends.Fstat(c.to.fd)
	switch {
	case err != nil:
		return err
	case a.Nlink == 0:
		return cmp.Or(one.Done(), backends.ErrRemoved)
	case one.ino != 0 && one.ino != a.Ino && one.owner != a.Uid:
		return fmt.Errorf("a message of user %d's queue does not go to user %d's", one.owner, a.Uid)
	}
	return one.Return(c.to)
}

// end closes the queue. The caller holds c.mu.
func (c *comingBack) end() {
	c.all.mu.Lock()
	if c.all.waiting[c.to.name] == c {
		delete(c.all.waiting, c.to.name)
	}
	c.all.mu.Unlock()
	c.list = nil
	c.to.all.letGo(c.to)
}

// letGo closes what alone has opened.
func (q *Queues) letGo(one *Queue) {
	one.Forget()
	q.mu.Lock()
	defer q.mu.Unlock()
	_ = unix.Close(one.fd)
	q.letPast(one.past)
}

// Close ends the waiting. What waits comes back with the next daemon.
func (l *Leases) Close() error {
	l.mu.Lock()
	var all []*comingBack
	for _, c := range l.waiting {
		all = append(all, c)
	}
	l.mu.Unlock()
	for _, c := range all {
		c.mu.Lock()
		if len(c.list) > 0 {
			c.end()
		}
		c.mu.Unlock()
	}
	return nil
}

// alone opens a queue by a descriptor that nobody shares, to put messages back. letGo closes it.
func (q *Queues) alone(name string) (*Queue, error) {
	fd, err := backends.ToStay(q.there(name, unix.O_RDWR))
	if err != nil {
		return nil, err
	}
	a, err := backends.Fstat(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	attr, err := mqGetattr(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lasting.judge(fd, a.Ino, attr)
	p := q.holdPast(name, a.Ino)
	if p.holders == 1 {
		p.traffic.begin(attr.CurMsgs)
	}
	return &Queue{
		Source: q.poll.Watch(fd), all: q, name: name, ino: a.Ino, fd: fd, access: unix.O_RDWR, past: p,
	}, nil
}
