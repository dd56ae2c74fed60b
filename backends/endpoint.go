// Package backends is what all kinds of objects behind the tree share, and each family of them is a package
// below:
//
//	mqueue  POSIX message queues, and messages on lease
//	sysv    System V message queues and shared memory
//	socket  sockets: those that listen, and connections
//	topic   topics, which only the daemon has
//	nats    queues and topics that servers keep, for many machines
//
// A family imports this package and no other of the daemon's. What is here:
//
//   - The words: an Attr tells of an object, a Ref means one, by what was seen of it. Its bytes move through
//     an Endpoint, which tries and never blocks, and answers ErrWouldBlock, ErrUnsettled or ErrRemoved.
//   - Waiting: a Poller watches descriptors, with one goroutine for all; Workers run what may block.
//   - Files: a Dir holds the objects that are files (shared memory, FIFOs, what is kept of sockets and
//     topics). Memory is one that is open, Locks are what others hold of it, a Watch tells what happens in a
//     Dir.
//   - Lasting: a Ledger is memory from which another process goes on when this one ends, and a Desk a place
//     in it where one request is worked on.
//   - Bounds: a Budget says how much a user may hold, a Room how much of the disk, a Limit is told to people.
//   - Texts: Word and Quote write what strangers choose, a Refusal has the facts of an error, a Trace tells
//     what is done.
//   - Raw system calls that several families make, in sys_*.go: in somebody's name (As), below a directory
//     (OpenBeneath), without root's rights (Unprivileged).
//
// All of it is safe for concurrent use, unless it says otherwise. Errors are those of the kernel
// (unix.Errno), wrapped where there is more to tell. It knows nothing of FUSE. Package nodes calls it, and
// package fs, which opens all at the start.
package backends

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Ready says what an object is ready for, in the bits of poll(2).
type Ready uint32

const (
	In    Ready = unix.POLLIN    // a read would not block
	Out   Ready = unix.POLLOUT   // a write would not block
	Err   Ready = unix.POLLERR   // the object was removed
	Hup   Ready = unix.POLLHUP   // the peer is gone
	RdHup Ready = unix.POLLRDHUP // the peer will send no more
)

var (
	// ErrWouldBlock is the answer of a try that would have had to wait: nothing was done.
	ErrWouldBlock = errors.New("would block")
	// ErrUnsettled is the answer of a try that has begun, and whose end is not known yet. The same try is
	// to be made again, and no other in its direction, until it answers something else. Even a caller that
	// must not wait waits for that.
	ErrUnsettled = errors.New("on its way")
	// ErrRemoved is the answer of an object that was removed while open: nothing more will come from it or
	// reach anybody.
	ErrRemoved = errors.New("object was removed")
)

// MaxMessage is the longest message that a write(2) to a face brings whole, in bytes, wherever in memory it
// lies: 1 MiB less a page. Those that native programs send to an object may be longer.
var MaxMessage = 1<<20 - os.Getpagesize()

// Meta is what a message carries beside its bytes.
type Meta struct {
	Prio  uint32 // POSIX queues: 0 to 32767, higher is received first (mq_overview(7))
	From  string // datagrams: the address of the peer, who sent it or is to get it
	Type  int    // System V queues: at least 1 (msgop(2)); to send with 0 leaves it to the endpoint
	Seq   uint64 // topics: the message's number, from 1
	Lost  uint64 // topics: how many messages its reader missed just before it
	Topic string // all topics of a directory: where it was published
	Work  uint64 // topics: by which work at a desk it is published (Desk.Work)
}

// A Message is one that is moved with others.
type Message struct {
	Data []byte
	Meta Meta
}

// A Port moves bytes in or out of an open object and never blocks. It is safe for concurrent use.
type Port interface {
	// TryRead receives into p and returns how many bytes it got; 0 without an error is the end of the
	// stream or an empty message. A port of messages needs len(p) to be at least Unit().
	TryRead(p []byte) (int, Meta, error)
	// TryWrite sends p whole if the port carries messages, or as much of it as fits if it carries a stream.
	TryWrite(p []byte, m Meta) (int, error)
	// Unit is the largest message in bytes, or 0 for a stream.
	Unit() int
}

// A Lender is a Port whose messages lie in memory that nobody changes, so that they need not be copied to
// be kept.
type Lender interface {
	// TryLend is TryRead without the copy. A message longer than most bytes is EMSGSIZE, and stays to be
	// read.
	TryLend(most int) ([]byte, Meta, error)
}

// A Recaller is a Port that may answer ErrUnsettled, or remembers what was tried.
type Recaller interface {
	// Recall gives up the last try in a direction, In or Out, that answered ErrWouldBlock or ErrUnsettled.
	// false: it is too late, and the try is to be made again until it answers.
	Recall(dir Ready) bool
}

// A Taker is a Port that receives many messages in one try, as it takes long to ask for each.
type Taker interface {
	// TryTake receives as many messages as there are and fit: their bytes, and each bytes for every one, are
	// at most room bytes together. The first comes however long it is. Nobody changes their bytes.
	TryTake(room, each int) ([]Message, error)
}

// A Sender is a Port that sends many messages in one try.
type Sender interface {
	// TrySend sends them in order, as many as there is room for, and returns how many that are; if that is
	// not all, with the error that the next one met. ErrUnsettled: none was sent yet.
	TrySend(list []Message) (int, error)
}

// A Counted port tells how many messages it has to give now, whoever takes them.
type Counted interface{ Messages() (int, error) }

// A Returner is a Port that takes back a message which was received and of which nothing was used.
type Returner interface {
	// Returns reports whether it can: the daemon may have the object open for reading only.
	Returns() bool
	// TryReturn puts the message behind the others of its priority: there is no way to put it before them.
	TryReturn(p []byte, m Meta) error
}

// A Waiter tells when an object becomes ready.
type Waiter interface {
	// Ready says what would not block now.
	Ready() Ready
	// Arm asks for one call of wake soon after one of want holds, at once if it holds already. A later Arm
	// replaces the request. wake is called with no lock held, on a goroutine of the package's or of whoever
	// calls Poller.Let; it may be called once too often, never too rarely.
	Arm(want Ready, wake func())
}

// A Prober is a Waiter that knows only what it was ready for a while ago, until it is probed.
type Prober interface {
	// Probe is Ready as of now. ErrUnsettled: that is being found out, and is to be asked again.
	Probe() (Ready, error)
	// Unprobe tells that nobody waits for its answer any more.
	Unprobe()
}

// An Endpoint is one open end of an object. Several open files may share it.
type Endpoint interface {
	Port
	Waiter
	Stat() (Attr, error)
	Close() error
}
