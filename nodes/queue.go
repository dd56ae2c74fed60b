package nodes

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/mqueue"
)

// Queues are message queues with the face of a regular file, and the other faces they have in the control
// tree: /queues, and those of other stores under paths of their own.
type Queues struct {
	env   *Env
	store QueueStore
	what  Description
	began time.Time
}

// NewQueues shows the queues of a store.
func NewQueues(env *Env, store QueueStore) *Queues {
	what := QueueClass
	what.New = strings.TrimSpace(what.New + " " + store.Asked)
	return &Queues{env: env, store: store, what: what, began: time.Now()}
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
	if d.store.Mode != nil {
		a.Mode = d.store.Mode()
	}
	return a, nil
}

// Find is Directory.Find.
func (d queueDir) Find(name string) (Seen, error) {
	a, err := d.store.Names.Stat(Ref{Path: name}, false)
	return seenQueue(name, a), err
}

func seenQueue(name string, a Attr) Seen { return Seen{Ref: Ref{Path: name, Was: a}, Message: true} }

// List is Directory.List.
func (d queueDir) List() ([]Entry, error) { return d.store.Names.List() }

// Count is Counter.Count.
func (d queueDir) Count() (int, error) {
	if d.store.Count != nil {
		return d.store.Count()
	}
	list, err := d.List()
	return len(list), err
}

// Create is Maker.Create: a queue with the default attributes.
func (d queueDir) Create(name string, o Owner, flags int, by Caller) (Seen, Open, error) {
	one, seen, err := d.store.Opener.Create(name, o, QueueRules{}, flags&accessMode, true)
	if err != nil {
		return seen, nil, err
	}
	if err := d.paid(one, by); err != nil {
		Unmake(d, seen, by)
		return seen, nil, err
	}
	return seen, queue{d.Queues, seen.Ref}.file(one, flags, by, atZero), nil
}

// Mknod is Maker.Mknod.
func (d queueDir) Mknod(name string, typ uint32, o Owner) (Seen, error) {
	if typ != syscall.S_IFREG {
		return Seen{}, syscall.EPERM
	}
	return d.make(name, o, QueueRules{})
}

// New is newer.New: a queue with maxmsg and msgsize, and what else its store may be asked for.
func (d queueDir) New(name string, _ Owner, c Command, once making) error {
	maxmsg, err := c.Int("maxmsg", 0, 1)
	if err != nil {
		return err
	}
	msgsize, err := c.Int("msgsize", 0, 1)
	if err != nil {
		return err
	}
	rules := QueueRules{MaxMsg: maxmsg, MsgSize: msgsize}
	for _, key := range keysOf(d.store.Asked) {
		if value, given := c.Get(key); given {
			if err := d.store.Ask(&rules, key, value); err != nil {
				return fmt.Errorf("%s=%s: %w", key, value, err)
			}
		}
	}
	_, err = once(func(o Owner) (Seen, error) { return d.make(name, o, rules) })
	return err
}

// make makes a queue that nobody opens yet.
func (d queueDir) make(name string, o Owner, r QueueRules) (Seen, error) {
	one, seen, err := d.store.Opener.Create(name, o, r, writeOnly, false)
	if err != nil {
		return seen, err
	}
	return seen, one.Close()
}

// Remove is Maker.Remove.
func (d queueDir) Remove(name string, by Caller) error {
	return d.store.Names.Remove(name, backends.Cred{Uid: by.Uid, Gid: by.Gid})
}

// queue is one queue.
type queue struct {
	*Queues
	Ref
}

// Stat is Object.Stat.
func (q queue) Stat(sized bool) (Attr, error) { return q.store.Names.Stat(q.Ref, sized) }

// Open opens the queue's data face: a write sends at priority 0, a read receives.
func (q queue) Open(flags int, by Caller) (Open, error) { return q.open(flags, by, atZero) }

// atZero is the face of all who open a queue by its name: it keeps nothing.
var atZero Face = &Plain{}

func (q queue) open(flags int, by Caller, face Face) (Open, error) {
	if _, ok := face.(readOnlyFace); ok && writes(flags) {
		return nil, syscall.EACCES
	}
	one, err := q.store.Opener.Open(q.Ref, flags&accessMode, true)
	if err == nil {
		err = q.paid(one, by)
	}
	if err != nil {
		return nil, err
	}
	return q.file(one, flags, by, face), nil
}

// paid has a user pay for what an end takes, and closes it if that is more than the user may have.
func (q *Queues) paid(one QueueEnd, by Caller) error {
	if q.store.Pay == nil {
		return nil
	}
	var pays backends.Payer = q.env.Shares
	if by.again {
		pays = unasked{q.env.Shares}
	}
	err := q.store.Pay(one, by.Uid, pays)
	if err != nil {
		one.Close()
	}
	return err
}

// file is the open file of a face of a queue that is held.
func (q queue) file(one QueueEnd, flags int, by Caller, face Face) *File {
	return q.env.File(newQueueFace(face, one, nil), one, flags, by)
}

// queueFace is any face of a queue: it ends when the queue's readers were ended, and explains what the
// queue refuses. Its end is an ender.
type queueFace struct {
	wrapped
	ends    int64
	tooLong func() backends.Refusal // of a message that is; nil: of one that is longer than the end's unit
}

// An ender counts how often those who read its queue got an end (QueueEnd).
type ender interface{ Ends() int64 }

func newQueueFace(face Face, one ender, tooLong func() backends.Refusal) *queueFace {
	return &queueFace{wrapped: wrapped{face}, ends: one.Ends(), tooLong: tooLong}
}

// Next is that of the face, or once the end.
func (f *queueFace) Next(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	if f.ended(end) {
		f.ends = end.(ender).Ends()
		return nil, io.EOF
	}
	unit, err := f.Face.Next(end, buf, size)
	if err != nil && !Waits(err) && err != io.EOF {
		err = explain("read", err)
	}
	return unit, err
}

// ended reports whether the readers were ended and this one has not read that yet.
func (f *queueFace) ended(end backends.Endpoint) bool { return end.(ender).Ends() != f.ends }

// Holds is holder.Holds.
func (f *queueFace) Holds(end backends.Endpoint) backends.Ready {
	ready := f.wrapped.Holds(end)
	if f.ended(end) {
		ready |= backends.In
	}
	return ready
}

// Held is holder.Held.
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
		return n, f.long(end)
	}
	if err != nil && !Waits(err) {
		err = explain("write", err)
	}
	return n, err
}

// refuses is why no write of n bytes can be sent, now or later.
func (f *queueFace) refuses(end backends.Endpoint, n int) error {
	if !f.whole() || n <= end.Unit() {
		return nil
	}
	return f.long(end)
}

// long refuses a message that is too long.
func (f *queueFace) long(end backends.Endpoint) error {
	if f.tooLong != nil {
		return refuse("write", f.tooLong())
	}
	return refuse("write", backends.Refusal{Err: syscall.EMSGSIZE, Why: whyQueueLong, Most: int64(end.Unit())})
}

// Controls is controller.Controls. The kernel's queues have no peek: the kernel has no way to look at a
// message without taking it, and a message that was taken could not be put back in its place.
func (q queue) Controls() []Control {
	var list []Control
	for _, f := range queueFaces("prio", false) {
		list = append(list, q.face(f.name, f.make))
	}
	if q.store.Leases != nil {
		list = append(list, q.lease())
	}
	if q.store.Peeks {
		list = append(list, Control{Name: "peek", Dir: true})
	}
	return append(list, Control{Name: "prio", Dir: true})
}

// Control is controller.Control: prio/N, peek/N, next@TIME.
func (q queue) Control(name string) (Control, error) {
	if level, ok := strings.CutPrefix(name, "prio/"); ok {
		n, err := strconv.ParseUint(level, 10, 32)
		if err != nil || n >= mqueue.PrioMax || level != strconv.FormatUint(n, 10) {
			return Control{}, notOne(level, "priority", fmt.Sprint("priorities are 0 to ", mqueue.PrioMax-1))
		}
		return q.face(name, func() Face { return &Plain{backends.Meta{Prio: uint32(n)}} }), nil
	}
	if digits, ok := strings.CutPrefix(name, "peek/"); ok && q.store.Peeks {
		f, err := peekFace(digits)
		return q.face(name, f), err
	}
	f, err := patientFace(name)
	return q.face(name, f), err
}

// face is a control file that is another face of the queue, for those who may use the queue.
func (q queue) face(name string, face func() Face) Control {
	return Control{Name: name, Perm: q.Was.Mode & 0666, Open: func(flags int, by Caller) (Open, error) {
		return q.open(flags, by, face())
	}}
}

// lease is a control file. Users who may receive may also write to it, to acknowledge: that belongs to the
// open file that took the message.
func (q queue) lease() Control {
	return taking(Control{Name: "lease", Long: backends.In | backends.Out,
		Open: func(flags int, by Caller) (Open, error) {
			return q.open(flags, by, &lease{q: q, uid: by.Uid})
		}}, q.Was.Mode)
}

// Change is Object.Change. Truncating a queue keeps its messages: `>` on one is how a shell opens it to send.
func (q queue) Change(c Change) error { return q.store.Names.Change(q.Ref, c) }

// Report is reporter.Report.
func (q queue) Report() ([]Fact, error) {
	a, err := q.Stat(true)
	if err != nil {
		return nil, err
	}
	facts := append(owned(a), native(a)...)
	s, err := q.store.Rules.State(q.Ref)
	if err != nil {
		return append(facts, Fact{"bytes", a.Size}), nil // the daemon may look, but not open it
	}
	facts = append(append(facts, created(s.Born)...),
		Fact{"bytes", a.Size}, Fact{"messages", s.Messages}, Fact{"maxmsg", s.MaxMsg}, Fact{"msgsize", s.MsgSize})
	if s.Replicas > 0 {
		facts = append(facts, Fact{"priorities", s.Priorities}, Fact{"replicas", s.Replicas},
			Fact{"redeliver", Literal(s.Redeliver.String())})
	}
	if s.Messages == 1 {
		facts = append(facts, Fact{"next_bytes", a.Size}) // of more than one the kernel tells only the sum
	}
	facts = append(facts, Fact{"sent", Count(s.Sent.Messages)}, Fact{"received", Count(s.Received.Messages)},
		Fact{"sent_bytes", Count(s.Sent.Bytes)}, Fact{"received_bytes", Count(s.Received.Bytes)},
		Fact{"leases", s.Lent})
	return append(facts, q.env.Users(s.Ends...)...), nil
}

// owned are the facts every object has.
func owned(a Attr) []Fact {
	return []Fact{
		{"mode", fmt.Sprintf("%#o", a.Mode&07777)}, {"uid", Label(a.Uid)}, {"gid", Label(a.Gid)},
	}
}

// native are the facts that tell a native program's descriptors and mappings of the object from those of
// one that has the same name elsewhere, in another ipc or mount namespace.
func native(a Attr) []Fact {
	if a.Dev == 0 {
		return nil
	}
	return []Fact{{"device", Literal(a.Device())}, {"inode", Label(a.Ino)}}
}

// created is when an object was made, if that is known.
func created(t time.Time) []Fact {
	if t.IsZero() {
		return nil
	}
	return []Fact{{"created", t.Format(time.RFC3339)}}
}
