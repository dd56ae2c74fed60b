package mqueue

import (
	"fmt"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// Create makes a queue that must not exist yet, with maxmsg and msgsize or, where they are 0, the defaults,
// and opens it.
func (q *Queues) Create(name string, o backends.Owner, maxmsg, msgsize int) (*Queue, error) {
	return q.stays(q.create(name, o, maxmsg, msgsize, backends.ToStay))
}

// CreateBriefly is Create for a caller that closes the queue before it answers.
func (q *Queues) CreateBriefly(name string, o backends.Owner, maxmsg, msgsize int) (*Queue, error) {
	return q.create(name, o, maxmsg, msgsize, briefly)
}

// briefly is ToStay for a descriptor that does not stay open.
func briefly(fd int, err error) (int, error) { return fd, err }

func (q *Queues) create(name string, o backends.Owner, maxmsg, msgsize int,
	may func(int, error) (int, error)) (*Queue, error) {
	attr, err := q.attributes(maxmsg, msgsize)
	if err != nil {
		return nil, err
	}
	cost, err := q.pay(o, attr)
	if err != nil {
		return nil, err
	}
	one, err := q.make(name, o, attr, cost, may)
	if err != nil {
		q.Bytes.Give(o.Uid, cost)
	}
	return one, err
}

// make makes a queue that is paid for.
func (q *Queues) make(name string, o backends.Owner, attr *mqAttr, cost int64,
	may func(int, error) (int, error)) (*Queue, error) {
	open := func() (int, error) {
		return mqOpen(name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_NONBLOCK, o.Mode&0777, attr)
	}
	q.mu.Lock()
	dropped := q.dropped
	q.mu.Unlock()
	fd, err := open()
	if (err == unix.EMFILE || err == unix.ENOSPC) && q.dropKept(dropped) {
		fd, err = open()
	}
	if err == unix.EMFILE {
		if backends.MayStay() == nil {
			return nil, ErrBytes
		}
		return nil, backends.Explain(err)
	}
	if err == unix.EINVAL {
		return nil, tooLarge(attr)
	}
	if err != nil {
		return nil, err
	}
	a, err := backends.Fstat(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	one, err := q.created(name, fd, a, o, cost, may)
	if err == nil {
		return one, nil
	}
	// Nothing half-made stays behind. What has the name now may be somebody else's.
	if now, e := q.Find(name); e == nil && now.ID == a.ID {
		_ = mqUnlink(name)
	}
	return nil, err
}

// created holds a queue that was made as fd, and gives it to its owner.
func (q *Queues) created(name string, fd int, a backends.Attr, o backends.Owner, cost int64,
	may func(int, error) (int, error)) (*Queue, error) {
	if o.Made != nil {
		o.Made(a.ID)
	}
	err := backends.Apply(fd, backends.Change{Uid: &o.Uid, Gid: &o.Gid, Mode: &o.Mode})
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.past(name, a.Ino)
	p.born.Store(time.Now().UnixNano())
	one, err := q.take(name, a.Ino, fd, unix.O_RDWR, may)
	if err == nil {
		p.uid, p.cost = o.Uid, cost
	}
	return one, err
}

// take holds the queue open at fd, which it closes if that fails, as when the descriptor may not stay open.
// The caller holds q.mu.
func (q *Queues) take(name string, ino uint64, fd, access int,
	may func(int, error) (int, error)) (*Queue, error) {
	fd, err := may(fd, nil)
	if err != nil {
		return nil, err
	}
	return q.use(name, q.holdPast(name, ino), fd, access)
}

// use is take with what is held of what is remembered.
func (q *Queues) use(name string, p *past, fd, access int) (*Queue, error) {
	attr, err := mqGetattr(fd)
	if err != nil {
		unix.Close(fd)
		q.letPast(p)
		return nil, err
	}
	one := &Queue{
		Source: q.poll.Watch(fd), all: q, name: name, ino: p.ino, fd: fd, access: access, msgsize: attr.MsgSize,
		past: p, holders: 1,
	}
	q.lasting.judge(fd, p.ino, attr)
	if p.holders == 1 {
		p.traffic.begin(attr.CurMsgs)
	}
	q.open[queueKey{p.ino, access}] = one
	q.adopt(one)
	return one, nil
}

// past finds or begins what is remembered of a queue. The caller holds q.mu.
func (q *Queues) past(name string, ino uint64) *past {
	p := q.pasts[name]
	if p == nil || p.ino != ino {
		if p != nil {
			q.gone(name, p)
		}
		p = &past{ino: ino}
		p.keep(q.lasting.ledger, q.lasting.pasts[ino])
		delete(q.lasting.pasts, ino)
		q.pasts[name] = p
	}
	return p
}

// holdPast is past for a Queue, until letPast. The caller holds q.mu.
func (q *Queues) holdPast(name string, ino uint64) *past {
	p := q.pastOfOpen(ino) // also if its name is gone
	if p == nil {
		p = q.past(name, ino)
	}
	p.holders++
	return p
}

// letPast gives it up. The caller holds q.mu.
func (q *Queues) letPast(p *past) {
	p.holders--
	q.settle(p)
}

func (q *Queues) attributes(maxmsg, msgsize int) (*mqAttr, error) {
	if maxmsg == 0 {
		maxmsg = q.MaxMsg
	}
	if msgsize == 0 {
		msgsize = q.MsgSize
	}
	if maxmsg == 0 && msgsize == 0 {
		return nil, nil
	}
	// mq_open takes both or neither, so the other one comes from where the kernel takes it.
	for _, d := range []struct {
		v    *int
		file string
	}{{&maxmsg, "msg_default"}, {&msgsize, "msgsize_default"}} {
		if *d.v != 0 {
			continue
		}
		n := backends.Sysctl("fs/mqueue/" + d.file)
		if n < 0 {
			return nil, fmt.Errorf("fs.mqueue.%s is not known, and maxmsg and msgsize are not both given: %w",
				d.file, unix.EINVAL)
		}
		*d.v = int(n)
	}
	return &mqAttr{MaxMsg: maxmsg, MsgSize: msgsize}, nil
}
