package nodes

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/mqueue"
)

// KernelQueues are the POSIX message queues of this machine's kernel as a QueueStore. What is lent of them is
// kept in leases.
func KernelQueues(q *mqueue.Queues, leases *mqueue.Leases) QueueStore {
	k := kernelQueues{q, leases}
	return QueueStore{
		Names: k, Opener: k, Rules: k, Leases: k, Count: q.Count, Mode: k.mode,
		Pay: k.pay, LeaseName: func(l Lease) string { return l.(*kernelLease).Name() }, ResumeLease: k.resume,
	}
}

// kernelQueues are all parts of that store.
type kernelQueues struct {
	*mqueue.Queues
	leases *mqueue.Leases
}

// mode is the mode of /dev/mqueue, but all may search it: mq_open(3) asks for no search permission.
func (k kernelQueues) mode() uint32 {
	if native := k.Dir(); native != nil {
		if a, err := native.Stat(Ref{}); err == nil {
			return classMode(a.Mode|0111, true)
		}
	}
	return classMode(0777, false)
}

// Stat is QueueNames.Stat.
func (k kernelQueues) Stat(r Ref, sized bool) (Attr, error) {
	if sized {
		return k.Queues.Stat(r)
	}
	a, err := k.Find(r.Path)
	if err == nil && r.Was.ID != (backends.ID{}) && a.ID != r.Was.ID {
		err = syscall.ESTALE
	}
	return a, err
}

// Create is QueueOpener.Create.
func (k kernelQueues) Create(name string, o Owner, r QueueRules, _ int, stays bool) (QueueEnd, Seen, error) {
	create := k.CreateBriefly
	if stays {
		create = k.Queues.Create
	}
	one, err := create(name, o, r.MaxMsg, r.MsgSize)
	if err != nil {
		return nil, Seen{}, explainQueue(err)
	}
	a, err := one.Stat()
	if err != nil {
		one.Close()
		return nil, Seen{}, err
	}
	if stays {
		return mqueue.NewEnd(one), seenQueue(name, a), nil
	}
	return one, seenQueue(name, a), nil
}

// Open is QueueOpener.Open.
func (k kernelQueues) Open(r Ref, access int, stays bool) (QueueEnd, error) {
	one, err := k.open(r, access, stays)
	if err != nil {
		return nil, err
	}
	if stays {
		return mqueue.NewEnd(one), nil
	}
	return one, nil
}

func (k kernelQueues) open(r Ref, access int, stays bool) (*mqueue.Queue, error) {
	if stays {
		return k.Queues.Open(r, access)
	}
	return k.OpenBriefly(r, access)
}

// State is QueueRuler.State.
func (k kernelQueues) State(r Ref) (QueueState, error) {
	one, err := k.OpenBriefly(r, readOnly)
	if err != nil {
		return QueueState{}, err
	}
	defer one.Close()
	s := QueueState{Born: one.Born(), Lent: k.leases.Out(r.Path), Ends: []backends.Waiter{one}}
	s.MaxTries = one.MaxTries()
	s.Sent, s.Received = one.Counts()
	s.MaxMsg, s.MsgSize, s.Messages, err = one.Limits()
	return s, err
}

// Set is QueueRuler.Set.
func (k kernelQueues) Set(r Ref, rules QueueRules) error {
	one, err := k.OpenBriefly(r, readOnly)
	if err != nil {
		return err
	}
	defer one.Close()
	maxmsg, msgsize, _, err := one.Limits()
	if err != nil {
		return err
	}
	if rules.MaxMsg != maxmsg || rules.MsgSize != msgsize {
		return &backends.Refusal{Err: syscall.EOPNOTSUPP, Why: whyQueueFixed,
			Name: fmt.Sprintf("maxmsg=%d msgsize=%d", rules.MaxMsg, rules.MsgSize)}
	}
	one.SetMaxTries(rules.MaxTries)
	return nil
}

// Lease is Leaser.Lease. The file of a lease is written by Record.
func (k kernelQueues) Lease(end QueueEnd, uid uint32, buf []byte) (Lease, error) {
	from := backends.Shared(end).(*mqueue.Queue)
	one, err := k.leases.Take(from, uid, buf)
	if err != nil {
		return nil, err
	}
	return &kernelLease{one, from}, nil
}

// kernelLease is a Lease of a queue of the kernel's.
type kernelLease struct {
	*mqueue.Lease
	from *mqueue.Queue
}

// Message is Lease.Message.
func (l *kernelLease) Message() ([]byte, backends.Meta) { return l.Data, l.Meta }

// Spent is Lease.Spent.
func (l *kernelLease) Spent() bool {
	limit := l.from.MaxTries()
	return limit > 0 && l.Tries > limit
}

// Return is Lease.Return.
func (l *kernelLease) Return() error { return l.Lease.Return(l.from) }

// explainQueue turns mq_open(3)'s errors into ones that say what to do.
func explainQueue(err error) error {
	switch {
	case errors.Is(err, mqueue.ErrBytes):
		return refuse("create", backends.Refusal{Err: syscall.EDQUOT, Why: whyQueueBytes, Limit: "RLIMIT_MSGQUEUE"})
	case errors.Is(err, syscall.ENOSPC):
		return refuse("create", backends.Refusal{Err: syscall.ENOSPC, Why: whyQueues, Limit: "fs.mqueue.queues_max"})
	case errors.Is(err, syscall.EINVAL):
		return advise("create", syscall.EINVAL, err)
	}
	return err
}

// pay is QueueStore.Pay.
func (k kernelQueues) pay(end QueueEnd, uid uint32, pays backends.Payer) error {
	return backends.Shared(end).(*mqueue.Queue).PaidBy(uid, pays)
}

// resume is QueueStore.ResumeLease.
func (k kernelQueues) resume(end QueueEnd, name string) (Lease, error) {
	one, err := k.leases.Resume(name)
	if err != nil {
		return nil, err
	}
	return &kernelLease{one, backends.Shared(end).(*mqueue.Queue)}, nil
}
