package nodes

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// Queues is /queues: POSIX message queues with the face of a regular file, and the other faces they have in the control tree.
type Queues struct {
	env    *Env
	back   *backends.Queues
	leases *backends.Leases
	began  time.Time

	mu    sync.Mutex
	tries map[string]int // max_tries by path, where it is set
}

// NewQueues shows the queues of back. What was handed out of them is kept in leases.
func NewQueues(env *Env, back *backends.Queues, leases *backends.Leases) *Queues {
	return &Queues{env: env, back: back, leases: leases, began: time.Now(), tries: map[string]int{}}
}

// Message is Class.Message.
func (*Queues) Message(a Attr) bool { return a.Type() == syscall.S_IFREG }

// Stat is Class.Stat; the size is left for fstat, as only those who list want it.
func (q *Queues) Stat(path string) (Attr, error) {
	if path == "" {
		a := ourDir(0777, q.began)
		if native := q.back.Dir(); native != nil {
			if n, err := native.Stat(""); err == nil {
				a.Mode = classMode(n.Mode|0111, true) // mq_open(3) opens what there is whether or not one may search
			}
		}
		return a, nil
	}
	return q.back.Stat(path)
}

// Size is Sizer.Size: the bytes pending.
func (q *Queues) Size(path string) int64 { return q.back.Pending(path) }

// List is Class.List.
func (q *Queues) List(string) ([]Entry, error) { return q.back.List() }

// Create makes a queue with the default attributes.
func (q *Queues) Create(path string, o Owner, _ bool) error {
	return explainQueue(path, q.back.Create(path, o, 0, 0))
}

// New is Newer.New: a queue with maxmsg and msgsize.
func (q *Queues) New(path string, o Owner, c Command) error {
	if err := c.Only("mode", "maxmsg", "msgsize"); err != nil {
		return err
	}
	maxmsg, err := c.Int("maxmsg", 0, 1)
	if err != nil {
		return err
	}
	msgsize, err := c.Int("msgsize", 0, 1)
	if err != nil {
		return err
	}
	return explainQueue(path, q.back.Create(path, o, maxmsg, msgsize))
}

// explainQueue turns mq_open(3)'s errors into ones that say what to do.
func explainQueue(path string, err error) error {
	e := &Error{Op: "create", Path: "queues/" + path}
	switch {
	case errors.Is(err, backends.ErrQueueBytes):
		e.Errno = syscall.EDQUOT
		e.Advice = "RLIMIT_MSGQUEUE, the bytes of all queues of the daemon's user, is used up: remove queues, make smaller ones" +
			" (--maxmsg, --msgsize), or raise it before ipcfs starts (ulimit -q, LimitMSGQUEUE= in systemd)"
	case errors.Is(err, syscall.ENOSPC):
		e.Errno = syscall.ENOSPC
		e.Advice = "fs.mqueue.queues_max is reached: remove queues or raise it (sysctl fs.mqueue.queues_max=512)"
	case errors.Is(err, syscall.EINVAL):
		return advise(e.Op, e.Path, syscall.EINVAL, err)
	default:
		return err
	}
	return e
}

// Open opens the queue's data face: a write sends at priority 0, a read receives.
func (q *Queues) Open(path string, flags int, by Caller) (Open, error) {
	return q.open(path, flags, by, &Plain{})
}

func (q *Queues) open(path string, flags int, by Caller, face Face) (Open, error) {
	if _, ok := face.(readOnlyFace); ok && writes(flags) {
		return nil, syscall.EACCES
	}
	one, err := q.back.Open(path, flags&accessMode)
	if err != nil {
		return nil, err
	}
	tooLong := func() string {
		return fmt.Sprintf("the message is longer than the queue's msgsize, %d: send less, or make the queue anew with a larger one"+
			" (echo 'queues/NAME msgsize=N' > ctl/new)", one.Unit())
	}
	return q.env.File(&queueFace{wrapped: wrapped{face}, path: "queues/" + path, ends: one.Ends(), tooLong: tooLong}, one, flags, by), nil
}

// queueFace is any face of a queue: it ends when the queue's readers were ended, and explains what the queue refuses.
type queueFace struct {
	wrapped
	path    string // of the queue, from the root of the tree
	ends    int64
	tooLong func() string // what to do about a message that is
}

// Next is that of the face, or once the end.
func (f *queueFace) Next(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	if now := end.(interface{ Ends() int64 }).Ends(); now != f.ends {
		f.ends = now
		return nil, io.EOF
	}
	return f.Face.Next(end, buf, size)
}

// Put is that of the face.
func (f *queueFace) Put(end backends.Endpoint, p []byte) (int, error) {
	n, err := f.put(end, p, f.path)
	if err == syscall.EMSGSIZE {
		return n, &Error{Op: "write", Path: f.path, Errno: syscall.EMSGSIZE, Advice: f.tooLong()}
	}
	return n, err
}

// Controls is Controller.Controls. There is no peek: the kernel has no way to look at a message without taking it, and one that was
// taken to be looked at could not be put back in its place.
func (q *Queues) Controls(path string, a Attr) []Control {
	var list []Control
	for _, f := range queueFaces("prio") {
		list = append(list, q.face(path, a, f.name, f.make))
	}
	return append(list, q.lease(path, a), Control{Name: "prio", Dir: true})
}

// Control is Controller.Control: prio/N, next@TIME.
func (q *Queues) Control(path string, a Attr, name string) (Control, bool) {
	if level, ok := strings.CutPrefix(name, "prio/"); ok {
		n, err := strconv.ParseUint(level, 10, 32)
		if err != nil || n >= backends.PrioMax || level != strconv.FormatUint(n, 10) {
			return Control{}, false
		}
		return q.face(path, a, name, func() Face { return &Plain{backends.Meta{Prio: uint32(n)}} }), true
	}
	f, ok := patientFace(name)
	return q.face(path, a, name, f), ok
}

// face is a control file that is another face of the queue, for those who may use the queue.
func (q *Queues) face(path string, a Attr, name string, face func() Face) Control {
	return Control{Name: name, Perm: a.Mode & 0666, Open: func(flags int, by Caller) (Open, error) {
		return q.open(path, flags, by, face())
	}}
}

// lease is a control file that who may receive may also write to, to acknowledge: that belongs to the open file that took the message.
func (q *Queues) lease(path string, a Attr) Control {
	return taking(Control{Name: "lease", Open: func(flags int, by Caller) (Open, error) {
		return q.open(path, flags, by, &lease{q: q, path: path, uid: by.Uid})
	}}, a.Mode)
}

// Remove is Remover.Remove.
func (q *Queues) Remove(path string) error { return q.back.Remove(path) }

// Change is Changer.Change. Truncating a queue keeps its messages: `>` on one is how a shell opens it to send.
func (q *Queues) Change(path string, c Change) error { return q.back.Change(path, c) }

// Settings is Settler.Settings.
func (q *Queues) Settings(path string) ([]Command, error) {
	one, err := q.back.OpenBriefly(path, readOnly)
	if err != nil {
		return nil, err
	}
	defer one.Close()
	maxmsg, msgsize, _, err := one.Limits()
	return []Command{
		{"resize", []Option{{"maxmsg", strconv.Itoa(maxmsg)}, {"msgsize", strconv.Itoa(msgsize)}}},
		{"lease", []Option{{"max_tries", strconv.Itoa(q.maxTries(path))}}},
	}, err
}

// Do is Settler.Do: eof, drain, resize, lease.
func (q *Queues) Do(path string, c Command, _ Caller) error {
	one, err := q.back.OpenBriefly(path, readOnly)
	if err != nil {
		return err
	}
	defer one.Close()
	switch c.Verb {
	case "eof":
		one.EndReaders()
		return c.Only()
	case "drain":
		if err := c.Only(); err != nil {
			return err
		}
		return drain(one)
	case "resize":
		return q.resize(one, c)
	case "lease":
		return q.setTries(path, c)
	}
	return fmt.Errorf("unknown command %s; a queue knows set, eof, drain, resize, lease", c.Verb)
}

func drain(one backends.Endpoint) error {
	buf := make([]byte, one.Unit())
	for {
		if _, _, err := one.TryRead(buf); err == backends.ErrWouldBlock {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// resize takes what the queue has already and refuses anything else.
func (q *Queues) resize(one *backends.Queue, c Command) error {
	if err := c.Only("maxmsg", "msgsize"); err != nil {
		return err
	}
	maxmsg, msgsize, _, err := one.Limits()
	if err != nil {
		return err
	}
	newmax, err := c.Int("maxmsg", maxmsg, 1)
	if err != nil {
		return err
	}
	newsize, err := c.Int("msgsize", msgsize, 1)
	if err != nil {
		return err
	}
	if newmax != maxmsg || newsize != msgsize {
		return fmt.Errorf("%w: the kernel fixes maxmsg and msgsize when it makes a queue, and programs that hold this one open would keep"+
			" it: make another one (echo 'queues/NAME maxmsg=%d msgsize=%d' > ctl/new)", syscall.EOPNOTSUPP, newmax, newsize)
	}
	return nil
}

// Report is Reporter.Report.
func (q *Queues) Report(path string) ([]Fact, error) {
	a, err := q.Stat(path)
	if err != nil {
		return nil, err
	}
	pending := q.Size(path)
	facts := append(owned(a), created(q.back.Born(path, a.Ino))...)
	facts = append(facts, Fact{"bytes", pending})
	one, err := q.back.OpenBriefly(path, readOnly)
	if err != nil {
		return facts, nil // the daemon may look, but not open it
	}
	defer one.Close()
	maxmsg, msgsize, curmsgs, err := one.Limits()
	if err != nil {
		return nil, err
	}
	sent, received := one.Counts()
	facts = append(facts, Fact{"messages", curmsgs}, Fact{"maxmsg", maxmsg}, Fact{"msgsize", msgsize})
	if curmsgs == 1 {
		facts = append(facts, Fact{"next_bytes", pending}) // of more than one the kernel tells only the sum
	}
	facts = append(facts, Fact{"sent", Count(sent)}, Fact{"received", Count(received)}, Fact{"leases", q.leases.Out(path)})
	return append(facts, q.env.Users(one)...), nil
}

// owned are the facts every object has.
func owned(a Attr) []Fact {
	return []Fact{
		{"mode", fmt.Sprintf("%#o", a.Mode&07777)}, {"uid", ID(a.Uid)}, {"gid", ID(a.Gid)},
	}
}

// created is when an object was made, if that is known.
func created(t time.Time) []Fact {
	if t.IsZero() {
		return nil
	}
	return []Fact{{"created", t.Format(time.RFC3339)}}
}
