package nodes

import (
	"strconv"

	"github.com/ipcfs/ipcfs/backends"
)

// QueueClass describes queues.
var QueueClass = Description{
	What:   "POSIX message queues",
	New:    "maxmsg=N msgsize=BYTES",
	Events: []backends.EventKind{backends.EventCreate, backends.EventRemove},
	Verbs: []Verb{
		verb(Verb{
			Name: "resize", Args: "maxmsg=N msgsize=BYTES",
			Help: "nothing, if it is so already; else EOPNOTSUPP, as the kernel cannot",
		}, queue.resize, queue.size),
		verb(Verb{
			Name: "lease", Args: "max_tries=N",
			Help: "how often a message is handed out by `lease` before it goes to the queue `dead`; " +
				"0: without end. The daemon forgets it when it ends",
		}, queue.setTries, queue.tries).where(func(o Object) bool { return o.(queue).store.Leases != nil }),
		verb(eofVerb, func(q queue, _ Command, by Caller) error { return q.briefly(q.env.endReaders(by)) }, nil),
		verb(drainVerb, func(q queue, _ Command, by Caller) error { return q.briefly(q.env.drain(by)) }, nil),
	},
}

// The commands that all queues take.
var (
	eofVerb = Verb{
		Name: "eof",
		Help: "gives every file that is open in the tree to read the queue one end of file; " +
			"until it has read that, poll says POLLIN",
	}
	drainVerb = Verb{Name: "drain", Help: "throws away all messages"}
)

// Describe is described.Describe.
func (q *Queues) Describe() *Description { return &q.what }

// briefly calls f with the open queue.
func (q queue) briefly(f func(QueueEnd) error) error {
	one, err := q.store.Opener.Open(q.Ref, readOnly, false)
	if err != nil {
		return err
	}
	defer one.Close()
	return f(one)
}

// endReaders ends the readers, unless an earlier process did in the same request.
func (e *Env) endReaders(by Caller) func(QueueEnd) error {
	return func(one QueueEnd) error {
		next := one.Ends() + 1
		// Where no earlier process meant another end, one that comes meanwhile is somebody else's.
		if ends, _ := e.Acts.Rest(by.request, next); ends == next || one.Ends() < ends {
			one.EndReaders()
		}
		return nil
	}
}

// drain takes away the messages that there are now: one who goes on sending must not keep it busy.
func (e *Env) drain(by Caller) func(QueueEnd) error {
	return func(one QueueEnd) error {
		if p, ok := one.(Purger); ok {
			return p.Purge()
		}
		buf := make([]byte, one.Unit())
		left, note := e.Acts.Rest(by.request, int64(messagesIn(one)))
		for ; left > 0; left-- {
			if _, _, err := one.TryRead(buf); err == backends.ErrWouldBlock {
				return nil
			} else if err != nil {
				return err
			}
			note(left - 1)
			backends.Point("drained")
		}
		return nil
	}
}

// resize takes what the queue has already, and anything else if its store can change it.
func (q queue) resize(c Command, _ Caller) error {
	return q.set(func(r *QueueRules) (err error) {
		if r.MaxMsg, err = c.Int("maxmsg", r.MaxMsg, 1); err == nil {
			r.MsgSize, err = c.Int("msgsize", r.MsgSize, 1)
		}
		return err
	})
}

// size is what resize sets.
func (q queue) size() ([]Option, error) {
	s, err := q.store.Rules.State(q.Ref)
	return []Option{{"maxmsg", strconv.Itoa(s.MaxMsg)}, {"msgsize", strconv.Itoa(s.MsgSize)}}, err
}

// setTries sets how often a message is lent.
func (q queue) setTries(c Command, _ Caller) error {
	return q.set(func(r *QueueRules) (err error) {
		r.MaxTries, err = c.Int("max_tries", r.MaxTries, 0)
		return err
	})
}

// tries is what setTries sets.
func (q queue) tries() ([]Option, error) {
	s, err := q.store.Rules.State(q.Ref)
	return []Option{{"max_tries", strconv.Itoa(s.MaxTries)}}, err
}

// set changes the rules of the queue.
func (q queue) set(change func(*QueueRules) error) error {
	s, err := q.store.Rules.State(q.Ref)
	if err == nil {
		err = change(&s.QueueRules)
	}
	if err != nil {
		return err
	}
	return q.store.Rules.Set(q.Ref, s.QueueRules)
}
