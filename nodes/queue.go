package nodes

import (
	"errors"
	"strconv"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// Queues is /queues: POSIX message queues with the face of a regular file.
type Queues struct{ back *backends.Queues }

// NewQueues shows the queues of back.
func NewQueues(back *backends.Queues) *Queues { return &Queues{back} }

// Message is Class.Message.
func (*Queues) Message(a Attr) bool { return a.Type() == syscall.S_IFREG }

// Stat is Class.Stat; the size is left for fstat, as only those who list want it.
func (q *Queues) Stat(path string) (Attr, error) {
	if path == "" {
		return Attr{Ino: 1, Mode: syscall.S_IFDIR | 0777, Nlink: 2}, nil
	}
	a, err := q.back.Stat(path)
	if err != nil {
		return a, err
	}
	a.Size = q.back.Pending(path)
	return a, nil
}

// List is Class.List.
func (q *Queues) List(string) ([]Entry, error) { return q.back.List() }

// Create makes a queue with the default attributes.
func (q *Queues) Create(path string, o Owner, _ bool) error {
	return explainQueue(path, q.back.Create(path, o, 0, 0))
}

// explainQueue turns mq_open(3)'s errors into ones that say what to do. EMFILE would blame the process's descriptors, but it is how
// mq_open reports RLIMIT_MSGQUEUE.
func explainQueue(path string, err error) error {
	e := &Error{Op: "create", Path: "queues/" + path}
	switch {
	case errors.Is(err, syscall.EMFILE):
		e.Errno = syscall.EDQUOT
		e.Advice = "RLIMIT_MSGQUEUE, the bytes of all queues of the daemon's user, is used up: remove queues, make smaller ones" +
			" (--maxmsg, --msgsize), or raise it before ipcfs starts (ulimit -q, LimitMSGQUEUE= in systemd)"
	case errors.Is(err, syscall.ENOSPC):
		e.Errno = syscall.ENOSPC
		e.Advice = "fs.mqueue.queues_max is reached: remove queues or raise it (sysctl fs.mqueue.queues_max=512)"
	case errors.Is(err, syscall.EINVAL):
		e.Errno = syscall.EINVAL
		e.Advice = "maxmsg or msgsize is above the limit for users: sysctl fs.mqueue.msg_max, fs.mqueue.msgsize_max"
	default:
		return err
	}
	return e
}

// Open opens the queue's data face: a write sends at priority 0, a read receives.
func (q *Queues) Open(path string, flags int, _ Caller) (Open, error) {
	one, err := q.back.Open(path, flags&accessMode)
	if err != nil {
		return nil, err
	}
	return NewFile(queueFace{path: path}, one, flags), nil
}

// queueFace is Plain, and explains what a queue refuses.
type queueFace struct {
	Plain
	path string
}

// Put sends one message.
func (f queueFace) Put(end backends.Endpoint, p []byte) (int, error) {
	n, err := f.Plain.Put(end, p)
	if err == syscall.EMSGSIZE {
		return n, &Error{Op: "write", Path: "queues/" + f.path, Errno: syscall.EMSGSIZE,
			Advice: "a message of " + strconv.Itoa(len(p)) + " bytes is longer than the queue's msgsize, " + strconv.Itoa(end.Unit()) +
				": send less, or make the queue with a larger one (--msgsize)"}
	}
	return n, err
}

// Remove is Remover.Remove.
func (q *Queues) Remove(path string) error { return q.back.Remove(path) }

// Change is Changer.Change. Truncating a queue keeps its messages: `>` on one is how a shell opens it to send.
func (q *Queues) Change(path string, c Change) error { return q.back.Change(path, c) }

// Report is Reporter.Report.
func (q *Queues) Report(path string) ([]Fact, error) {
	a, err := q.Stat(path)
	if err != nil {
		return nil, err
	}
	facts := []Fact{{"bytes", strconv.FormatInt(a.Size, 10)}}
	one, err := q.back.Open(path, readOnly)
	if err != nil {
		return append(owned(a), facts...), nil // the daemon may look, but not open it
	}
	defer one.Close()
	maxmsg, msgsize, curmsgs, err := one.Limits()
	if err != nil {
		return nil, err
	}
	sent, received := one.Counts()
	facts = append([]Fact{
		{"messages", strconv.Itoa(curmsgs)},
		{"maxmsg", strconv.Itoa(maxmsg)},
		{"msgsize", strconv.Itoa(msgsize)},
	}, facts...)
	facts = append(facts, Fact{"sent", strconv.FormatInt(sent, 10)}, Fact{"received", strconv.FormatInt(received, 10)})
	return append(owned(a), facts...), nil
}

// owned are the facts every object has.
func owned(a Attr) []Fact {
	return []Fact{
		{"mode", "0" + strconv.FormatUint(uint64(a.Mode&07777), 8)},
		{"uid", strconv.FormatUint(uint64(a.Uid), 10)},
		{"gid", strconv.FormatUint(uint64(a.Gid), 10)},
	}
}
