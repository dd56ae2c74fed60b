package nodes

import (
	"sync"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// A QueueStore keeps the queues of one kind: the kernel, or a broker on other machines. Its parts may be
// called by many goroutines at a time. If the kind is Elsewhere their calls are made by workers and may take
// long; else they take a moment, or wait for a disk.
//
// A queue is named by a Ref, whose ID the store itself gives: another one for each queue that is ever made,
// of the same name too. Errors are of the errno table; an *Error carries advice.
type QueueStore struct {
	Names  QueueNames
	Opener QueueOpener
	Rules  QueueRuler
	Leases Leaser              // nil: no message is lent
	Count  func() (int, error) // how many queues there are; nil: as many as are listed
	Mode   func() uint32       // of the directory of all queues, S_IFMT bits included; nil: it is open to all
	Peeks  bool                // its ends are Peekers

	// Pay has a user pay for the descriptor that an end takes of the daemon's, one for all who share it,
	// until it is closed, unless somebody does already; or for what it holds of messages. nil: it takes none.
	Pay func(end QueueEnd, uid uint32, pays backends.Payer) error
	// LeaseName is by which name a lease goes on in another process, ResumeLease has it go on there; nil:
	// none does.
	LeaseName   func(Lease) string
	ResumeLease func(end QueueEnd, name string) (Lease, error)

	// What /ctl/new takes beside maxmsg and msgsize, as Verb.Args, and who reads one of those; "": nothing.
	Asked string
	Ask   func(r *QueueRules, option, value string) error
}

// QueueNames are which queues there are.
type QueueNames interface {
	// Stat tells of the very queue, or of whatever has the name if the Ref has no ID. The bytes that wait in
	// it are only told if it is sized: that may cost more.
	Stat(r Ref, sized bool) (Attr, error)
	// List names them, in no order.
	List() ([]Entry, error)
	// Change sets mode and owner of the very queue, if it is still the user's that was seen: ESTALE. A size
	// is not for setting.
	Change(r Ref, c Change) error
	// Remove takes a queue away in somebody's name: EPERM if it is neither theirs nor are they root. Whoever
	// has it open gets what is left in it, if the store keeps that, and then backends.ErrRemoved.
	Remove(name string, by backends.Cred) error
}

// A QueueOpener makes and opens queues. One that does not stay open is closed before its user is answered.
type QueueOpener interface {
	// Create makes a queue that must not exist yet, and opens it for access (O_RDONLY, O_WRONLY, O_RDWR) at
	// least.
	Create(name string, o Owner, r QueueRules, access int, stays bool) (QueueEnd, Seen, error)
	// Open opens the very queue for access (O_RDONLY, O_WRONLY, O_RDWR). One that stays open is ESTALE if its
	// owner or mode are not those that were seen, by which the kernel has judged.
	Open(r Ref, access int, stays bool) (QueueEnd, error)
}

// A QueueRuler tells how a queue is, and sets what can be set.
type QueueRuler interface {
	State(r Ref) (QueueState, error)
	// Set makes these the rules of the very queue, if its store can: EOPNOTSUPP with advice else, and nothing
	// is changed.
	Set(r Ref, rules QueueRules) error
}

// QueueRules are what a queue is asked to be. In Create 0 is the default.
type QueueRules struct {
	MaxMsg, MsgSize int // messages that fit into it; bytes that fit into a message
	MaxTries        int // how often a message is lent before it goes to the dead queue; 0: without end

	// Of a queue that servers keep; 0 for others:
	Priorities int           // different ones that may be in use at a time
	Replicas   int           // servers that keep it
	Redeliver  time.Duration // after which a message goes to others whose daemon is silent
}

// QueueState is what there is to tell of a queue.
type QueueState struct {
	QueueRules
	Born           time.Time      // zero: not known
	Messages       int            // that wait
	Sent, Received backends.Moved // through the daemon, since it first saw the queue
	Lent           int            // messages
	Ends           []backends.Waiter
}

// A QueueEnd is an open queue. All who have it open may share one, or each has their own: then an end knows
// whose try is on its way. A try that needs a round trip answers backends.ErrUnsettled until it is over; the
// end is a backends.Recaller then, and a Prober.
type QueueEnd interface {
	backends.Endpoint
	// EndReaders gives all who read the queue through this daemon now an end of file, once, and wakes those
	// who wait. It does not wait.
	EndReaders()
	// Ends counts the calls of EndReaders for the queue, also those of an earlier process if it left a
	// ledger, or from 0 in each.
	Ends() int64
}

// A Purger is a QueueEnd that can take all messages away at once. It may take long. Of one that has none
// as many are read as there are when it begins.
type Purger interface{ Purge() error }

// A Peeker is a QueueEnd that can look at a message and leave it there.
type Peeker interface {
	// Peek copies the n-th message, counted from 0, in the order in which they are received. ENOMSG: there
	// are not so many. ErrUnsettled: it is to be called again.
	Peek(n int, p []byte) (int, backends.Meta, error)
}

// A Leaser lends messages: one that is lent is nobody else's, and comes back to its queue if it is not done.
type Leaser interface {
	// Lease takes a message for a user, who pays for it. buf is room for any message of the queue. It may
	// take long, but does not wait for a message: ErrWouldBlock, after which it is tried again when the end
	// is ready.
	Lease(end QueueEnd, uid uint32, buf []byte) (Lease, error)
}

// A Lease is one message that is lent. Of its calls Record and Done may take long.
type Lease interface {
	// Message is the message. Nobody changes it.
	Message() ([]byte, backends.Meta)
	// Spent reports whether it was lent more often than its queue allows, this time included.
	Spent() bool
	// Record sees to it that the message comes back when the daemon dies. Until that has succeeded it is not
	// handed out.
	Record() error
	// Done forgets the message. After an error it comes again.
	Done() error
	// Return gives the message back to its queue. It does not wait. ErrWouldBlock, ErrUnsettled: it is to be
	// called again when the end is ready to be written. backends.ErrRemoved: there is no queue any more.
	Return() error
}

// send sends one message to a queue that nobody else has by this end, or that knows at once. It is for a
// worker, which may wait.
func send(to QueueEnd, msg []byte, m backends.Meta) error {
	for {
		_, err := to.TryWrite(msg, m)
		if err != backends.ErrUnsettled {
			return err
		}
		known := make(chan struct{})
		to.Arm(backends.Out, sync.OnceFunc(func() { close(known) }))
		<-known
	}
}
