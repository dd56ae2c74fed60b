package nodes

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
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
}

// NewQueues shows the queues of back. What was handed out of them is kept in leases.
func NewQueues(env *Env, back *backends.Queues, leases *backends.Leases) *Queues {
	return &Queues{env: env, back: back, leases: leases, began: time.Now()}
}

// At is Class.At.
func (q *Queues) At(s Seen) Object {
	if s.Path == "" {
		return queueDir{Queues: q}
	}
	return queue{q, s.Ref}
}

// queueDir is the directory of all queues, which holds no others: their names have no slash.
type queueDir struct {
	nothing
	*Queues
}

// Stat is Object.Stat.
func (d queueDir) Stat(bool) (Attr, error) {
	a := ourDir(1, 0777, d.began)
	if native := d.back.Dir(); native != nil {
		if n, err := native.Stat(Ref{}); err == nil {
			a.Mode = classMode(n.Mode|0111, true) // mq_open(3) opens what there is whether or not one may search
		}
	}
	return a, nil
}

// Find is Directory.Find.
func (d queueDir) Find(name string) (Seen, error) {
	a, err := d.back.Find(name)
	return seenQueue(name, a), err
}

func seenQueue(name string, a Attr) Seen { return Seen{Ref: Ref{Path: name, Was: a}, Message: true} }

// List is Directory.List.
func (d queueDir) List() ([]Entry, error) { return d.back.List() }

// Create is Maker.Create: a queue with the default attributes.
func (d queueDir) Create(name string, o Owner, flags int, by Caller) (Seen, Open, error) {
	one, err := d.back.Create(name, o, 0, 0)
	if err != nil {
		return Seen{}, nil, explainQueue(err)
	}
	seen, err := made(one)
	if err != nil {
		return seen, nil, err
	}
	return seen, queue{d.Queues, seen.Ref}.file(one, flags, by, &Plain{}), nil
}

// made is what was made; it closes the queue if that cannot be told.
func made(one *backends.Queue) (Seen, error) {
	a, err := one.Stat()
	if err != nil {
		one.Close()
	}
	return seenQueue(one.Name(), a), err
}

// Mknod is Maker.Mknod.
func (d queueDir) Mknod(name string, typ uint32, o Owner) (Seen, error) {
	if typ != syscall.S_IFREG {
		return Seen{}, syscall.EPERM
	}
	return d.make(name, o, 0, 0)
}

// New is Newer.New: a queue with maxmsg and msgsize.
func (d queueDir) New(name string, o Owner, c Command) error {
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
	_, err = d.make(name, o, maxmsg, msgsize)
	return err
}

// make makes a queue that nobody opens yet.
func (d queueDir) make(name string, o Owner, maxmsg, msgsize int) (Seen, error) {
	one, err := d.back.CreateBriefly(name, o, maxmsg, msgsize)
	if err != nil {
		return Seen{}, explainQueue(err)
	}
	seen, err := made(one)
	if err != nil {
		return seen, err
	}
	return seen, one.Close()
}

// Remove is Maker.Remove.
func (d queueDir) Remove(name string, by Caller) error {
	return d.back.Remove(name, backends.Cred{Uid: by.Uid, Gid: by.Gid})
}

// explainQueue turns mq_open(3)'s errors into ones that say what to do.
func explainQueue(err error) error {
	e := &Error{Op: "create"}
	switch {
	case errors.Is(err, backends.ErrQueueBytes):
		e.Errno = syscall.EDQUOT
		e.Advice = "RLIMIT_MSGQUEUE, the bytes of all queues of the daemon's user, is used up: remove queues, make smaller ones" +
			" (--maxmsg, --msgsize), or raise it before ipcfs starts (ulimit -q, LimitMSGQUEUE= in systemd)"
	case errors.Is(err, syscall.ENOSPC):
		e.Errno = syscall.ENOSPC
		e.Advice = "fs.mqueue.queues_max is reached: remove queues or raise it (sysctl fs.mqueue.queues_max=512)"
	case errors.Is(err, syscall.EINVAL):
		return advise(e.Op, syscall.EINVAL, err)
	default:
		return err
	}
	return e
}

// queue is one queue.
type queue struct {
	*Queues
	Ref
}

// Stat is Object.Stat.
func (q queue) Stat(sized bool) (Attr, error) {
	if sized {
		return q.back.Stat(q.Ref)
	}
	a, err := q.back.Find(q.Path)
	if err == nil && a.ID != q.Was.ID {
		err = syscall.ESTALE
	}
	return a, err
}

// Open opens the queue's data face: a write sends at priority 0, a read receives.
func (q queue) Open(flags int, by Caller) (Open, error) { return q.open(flags, by, &Plain{}) }

func (q queue) open(flags int, by Caller, face Face) (Open, error) {
	if _, ok := face.(readOnlyFace); ok && writes(flags) {
		return nil, syscall.EACCES
	}
	one, err := q.back.Open(q.Ref, flags&accessMode)
	if err != nil {
		return nil, err
	}
	return q.file(one, flags, by, face), nil
}

// file is the open file of a face of a queue that is held.
func (q queue) file(one *backends.Queue, flags int, by Caller, face Face) *File {
	tooLong := func() string {
		return fmt.Sprintf("the message is longer than the queue's msgsize, %d: send less, or make the queue anew with a larger one"+
			" (echo 'queues/NAME msgsize=N' > ctl/new)", one.Unit())
	}
	return q.env.File(&queueFace{wrapped: wrapped{face}, ends: one.Ends(), tooLong: tooLong}, one, flags, by)
}

// queueFace is any face of a queue: it ends when the queue's readers were ended, and explains what the queue refuses.
type queueFace struct {
	wrapped
	ends    int64
	tooLong func() string // what to do about a message that is
}

// Next is that of the face, or once the end.
func (f *queueFace) Next(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	if f.ended(end) {
		f.ends = endsOf(end)
		return nil, io.EOF
	}
	return f.Face.Next(end, buf, size)
}

// ended reports whether the readers were ended and this one has not read that yet.
func (f *queueFace) ended(end backends.Endpoint) bool { return endsOf(end) != f.ends }

func endsOf(end backends.Endpoint) int64 { return end.(interface{ Ends() int64 }).Ends() }

// Holds is Holder.Holds.
func (f *queueFace) Holds(end backends.Endpoint) backends.Ready {
	ready := f.wrapped.Holds(end)
	if f.ended(end) {
		ready |= backends.In
	}
	return ready
}

// Held is Holder.Held.
func (f *queueFace) Held(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	if f.ended(end) {
		return f.Next(end, buf, size)
	}
	return f.wrapped.Held(end, buf, size)
}

// Put is that of the face.
func (f *queueFace) Put(end backends.Endpoint, p []byte) (int, error) {
	n, err := f.Face.Put(end, p)
	if err == syscall.EMSGSIZE {
		return n, &Error{Op: "write", Errno: syscall.EMSGSIZE, Advice: f.tooLong()}
	}
	return n, err
}

// Controls is Controller.Controls. There is no peek: the kernel has no way to look at a message without taking it, and one that was
// taken to be looked at could not be put back in its place.
func (q queue) Controls() []Control {
	var list []Control
	for _, f := range queueFaces("prio") {
		list = append(list, q.face(f.name, f.make))
	}
	return append(list, q.lease(), Control{Name: "prio", Dir: true})
}

// Control is Controller.Control: prio/N, next@TIME.
func (q queue) Control(name string) (Control, bool) {
	if level, ok := strings.CutPrefix(name, "prio/"); ok {
		n, err := strconv.ParseUint(level, 10, 32)
		if err != nil || n >= backends.PrioMax || level != strconv.FormatUint(n, 10) {
			return Control{}, false
		}
		return q.face(name, func() Face { return &Plain{backends.Meta{Prio: uint32(n)}} }), true
	}
	f, ok := patientFace(name)
	return q.face(name, f), ok
}

// face is a control file that is another face of the queue, for those who may use the queue.
func (q queue) face(name string, face func() Face) Control {
	return Control{Name: name, Perm: q.Was.Mode & 0666, Open: func(flags int, by Caller) (Open, error) {
		return q.open(flags, by, face())
	}}
}

// lease is a control file that who may receive may also write to, to acknowledge: that belongs to the open file that took the message.
func (q queue) lease() Control {
	return taking(Control{Name: "lease", Open: func(flags int, by Caller) (Open, error) {
		one, err := q.open(flags, by, &lease{q: q.Queues, uid: by.Uid})
		if f, ok := one.(*File); ok {
			f.Aside(q.env.Work, by.Uid, backends.In|backends.Out) // it is recorded on a disk
		}
		return one, err
	}}, q.Was.Mode)
}

// Change is Object.Change. Truncating a queue keeps its messages: `>` on one is how a shell opens it to send.
func (q queue) Change(c Change) error { return q.back.Change(q.Ref, c) }

// Settings is Settler.Settings.
func (q queue) Settings() ([]Command, error) {
	one, err := q.back.OpenBriefly(q.Ref, readOnly)
	if err != nil {
		return nil, err
	}
	defer one.Close()
	maxmsg, msgsize, _, err := one.Limits()
	return []Command{
		{"resize", []Option{{"maxmsg", strconv.Itoa(maxmsg)}, {"msgsize", strconv.Itoa(msgsize)}}},
		{"lease", []Option{{"max_tries", strconv.Itoa(one.MaxTries())}}},
	}, err
}

// Do is Settler.Do: eof, drain, resize, lease.
func (q queue) Do(c Command, _ Caller) error {
	one, err := q.back.OpenBriefly(q.Ref, readOnly)
	if err != nil {
		return err
	}
	defer one.Close()
	switch c.Verb {
	case "eof":
		if err := c.Only(); err != nil {
			return err
		}
		one.EndReaders()
		return nil
	case "drain":
		if err := c.Only(); err != nil {
			return err
		}
		return drain(one)
	case "resize":
		return resize(one, c)
	case "lease":
		return setTries(one, c)
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
func resize(one *backends.Queue, c Command) error {
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
func (q queue) Report() ([]Fact, error) {
	a, err := q.Stat(true)
	if err != nil {
		return nil, err
	}
	facts := owned(a)
	one, err := q.back.OpenBriefly(q.Ref, readOnly)
	if err != nil {
		return append(facts, Fact{"bytes", a.Size}), nil // the daemon may look, but not open it
	}
	defer one.Close()
	maxmsg, msgsize, curmsgs, err := one.Limits()
	if err != nil {
		return nil, err
	}
	sent, received := one.Counts()
	facts = append(append(facts, created(one.Born())...),
		Fact{"bytes", a.Size}, Fact{"messages", curmsgs}, Fact{"maxmsg", maxmsg}, Fact{"msgsize", msgsize})
	if curmsgs == 1 {
		facts = append(facts, Fact{"next_bytes", a.Size}) // of more than one the kernel tells only the sum
	}
	facts = append(facts, Fact{"sent", Count(sent)}, Fact{"received", Count(received)}, Fact{"leases", q.leases.Out(q.Path)})
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
