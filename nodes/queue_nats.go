package nodes

import (
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/nats"
)

// AttachedQueues are the queues that servers elsewhere keep, as a QueueStore.
func AttachedQueues(q *nats.Queues) QueueStore {
	k := attachedQueues{q}
	return QueueStore{
		Names: q, Opener: k, Rules: k, Leases: k, Count: q.Count, Peeks: true, Asked: nats.Asked,
		Pay: func(end QueueEnd, uid uint32, _ backends.Payer) error {
			end.(*nats.End).PaidBy(uid)
			return nil
		},
		LeaseName: func(l Lease) string { return l.(*nats.Lease).Name() }, ResumeLease: k.resume,
		Ask: func(r *QueueRules, option, value string) error { return (*nats.QueueRules)(r).Ask(option, value) },
	}
}

// attachedQueues are all parts of that store.
type attachedQueues struct{ *nats.Queues }

// Create is QueueOpener.Create.
func (k attachedQueues) Create(name string, o Owner, r QueueRules, access int, _ bool) (QueueEnd, Seen, error) {
	one, a, err := k.Queues.Create(name, o, nats.QueueRules(r), access)
	if err != nil {
		return nil, Seen{}, explain("create", err)
	}
	return one, seenQueue(name, a), nil
}

// Open is QueueOpener.Open.
func (k attachedQueues) Open(r Ref, access int, stays bool) (QueueEnd, error) {
	one, err := k.Queues.Open(r, access, stays)
	if err != nil {
		return nil, err
	}
	return one, nil
}

// State is QueueRuler.State.
func (k attachedQueues) State(r Ref) (QueueState, error) {
	s, err := k.Queues.State(r)
	return QueueState{
		QueueRules: QueueRules(s.QueueRules), Born: s.Born, Messages: s.Messages, Lent: s.Lent,
		Sent: s.Sent, Received: s.Received, Ends: s.Ends,
	}, err
}

// Set is QueueRuler.Set.
func (k attachedQueues) Set(r Ref, rules QueueRules) error {
	return k.Queues.Set(r, nats.QueueRules(rules))
}

// Lease is Leaser.Lease.
func (k attachedQueues) Lease(end QueueEnd, _ uint32, _ []byte) (Lease, error) {
	one, err := k.Queues.Lease(end.(*nats.End))
	if err != nil {
		return nil, err
	}
	return one, nil
}

// resume is QueueStore.ResumeLease.
func (k attachedQueues) resume(end QueueEnd, name string) (Lease, error) {
	one, err := k.Queues.Resume(end.(*nats.End), name)
	if err != nil {
		return nil, err
	}
	return one, nil
}
