package nodes

import (
	"errors"
	"strconv"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/sysv"
)

// SysV is /sysv/queues: System V message queues (sysvipc(7)) by their keys, as ipcs(1) prints them:
// 0x00004101. Those that have no key (IPC_PRIVATE) are in private, by their ids. A shorter way to write a
// key, 0x4101, leads to the same queue.
type SysV struct {
	env   *Env
	back  *sysv.Queues
	began time.Time
}

// NewSysV shows the queues of back.
func NewSysV(env *Env, back *sysv.Queues) *SysV { return &SysV{env, back, time.Now()} }

// At is Class.At.
func (s *SysV) At(seen Seen) Object {
	switch seen.Path {
	case "":
		return sysvDir{SysV: s}
	case privateDir:
		return sysvDir{SysV: s, sysvNames: sysvNames{private: true}}
	}
	return sysvQueue{s, seen.Ref}
}

// sysvDir is the directory of the queues that have a key, or of those that have none.
type sysvDir struct {
	nothing
	*SysV
	sysvNames
}

// sysvQueue is one queue.
type sysvQueue struct {
	*SysV
	Ref
}

func (q sysvQueue) id() int { return sysv.ID(q.Was) }

// info is what the kernel tells of the queue.
func (q sysvQueue) info() (sysv.QueueInfo, error) {
	info, err := q.back.Stat(q.id())
	if err == nil {
		err = q.Is(info.Attr())
	}
	return info, err
}

// Stat is Object.Stat.
func (d sysvDir) Stat(bool) (Attr, error) { return d.attr(d.began), nil }

// Find is Directory.Find.
func (d sysvDir) Find(name string) (Seen, error) {
	if dir, ok := d.below(name, d.began); ok {
		return dir, nil
	}
	id, err := d.id(name, d.back.Find)
	if err != nil {
		return Seen{}, err
	}
	info, err := d.back.Stat(id)
	if err == nil {
		err = d.has(info.Object)
	}
	return seenMsq(info), err
}

// seenMsq is what was seen of a queue. Its path is the one it is listed by.
func seenMsq(i sysv.QueueInfo) Seen {
	return Seen{Ref: Ref{Path: sysvPath(i.Object), Was: i.Attr()}, Message: true}
}

// List is Directory.List.
func (d sysvDir) List() ([]Entry, error) {
	all, err := d.back.List()
	if err != nil {
		return nil, err
	}
	objects := make([]sysv.Object, len(all))
	for i, one := range all {
		objects[i] = one.Object
	}
	return d.entries(objects), nil
}

// Count is Counter.Count.
func (d sysvDir) Count() (int, error) { return d.back.Count() }

// Create is Maker.Create: a queue with a key.
func (d sysvDir) Create(name string, o Owner, flags int, by Caller) (Seen, Open, error) {
	seen, err := d.make(name, o)
	if err != nil {
		return seen, nil, err
	}
	one := sysvQueue{d.SysV, seen.Ref}
	open, err := one.Open(flags, by)
	if err != nil {
		_ = d.back.Remove(one.id()) // nothing is made by an open that fails
	}
	return seen, open, err
}

// Mknod is Maker.Mknod.
func (d sysvDir) Mknod(name string, typ uint32, o Owner) (Seen, error) {
	if typ != syscall.S_IFREG {
		return Seen{}, syscall.EPERM
	}
	return d.make(name, o)
}

func (d sysvDir) make(name string, o Owner) (Seen, error) {
	key, ok := keyOf(name)
	switch {
	case d.private, ok && key == 0:
		return Seen{}, refuse("create", backends.Refusal{Err: syscall.EINVAL, Why: whyNoKey, Name: "queues"})
	case !ok:
		return Seen{}, refuse("create", backends.Refusal{Err: syscall.EINVAL, Why: whyKeyName})
	}
	info, err := d.back.Create(key, o)
	if errors.Is(err, syscall.ENOSPC) {
		_, _, msgmni, _ := d.back.Sysctls()
		err = refuse("create", backends.Refusal{
			Err: syscall.ENOSPC, Why: whyMsgQueues, Limit: "kernel.msgmni", Most: int64(msgmni),
		})
	}
	return seenMsq(info), err
}

// New is newer.New: a queue with qbytes.
func (d sysvDir) New(name string, o Owner, c Command, once making) error {
	by := Caller{Uid: o.Uid}
	// What would be refused later is refused before there is a queue.
	if _, err := d.qbytes(c, 0, by); err != nil {
		return err
	}
	seen, err := once(func(o Owner) (Seen, error) { return d.make(name, o) })
	if err != nil {
		return err
	}
	one := sysvQueue{d.SysV, seen.Ref}
	if err = one.resize(c, by); err != nil {
		_ = d.back.Remove(one.id()) // nothing half-made stays behind
	}
	return err
}

// Remove is Maker.Remove: whoever waits for the queue gets EIDRM.
func (d sysvDir) Remove(name string, by Caller) error {
	id, err := d.id(name, d.back.Find)
	if err != nil {
		return err
	}
	info, err := d.back.Stat(id)
	if err == nil {
		err = mayRemove(by)(info.Attr())
	}
	if err != nil {
		return err
	}
	return d.back.Remove(id)
}

// Stat is Object.Stat.
func (q sysvQueue) Stat(bool) (Attr, error) {
	info, err := q.info()
	return info.Attr(), err
}

// Open opens the data face: a write sends type 1, a read receives whatever is first.
func (q sysvQueue) Open(flags int, by Caller) (Open, error) {
	return q.open(flags, by, sysv.Select{}, &Plain{})
}

func (q sysvQueue) open(flags int, by Caller, sel sysv.Select, face Face) (Open, error) {
	if _, ok := face.(readOnlyFace); ok && writes(flags) {
		return nil, syscall.EACCES
	}
	info, err := q.info()
	if err == nil {
		err = q.Judged(info.Attr())
	}
	var one *sysv.Queue
	if err == nil {
		one, err = q.back.Open(q.id(), sel)
	}
	if by.gone && backends.IsGone(err) {
		one, err = q.back.OpenGone(q.Was, sel), nil
	}
	if err != nil {
		return nil, err
	}
	return q.env.File(newQueueFace(face, one, q.tooLong), sysv.NewEnd(one), flags, by), nil
}

// tooLong refuses a message that is too long.
func (q sysvQueue) tooLong() backends.Refusal {
	msgmax, _, _, _ := q.back.Sysctls()
	info, err := q.info()
	if err == nil && info.Qbytes < msgmax {
		return backends.Refusal{Err: syscall.EMSGSIZE, Why: whyMsgWhole, Most: int64(info.Qbytes)}
	}
	return backends.Refusal{Err: syscall.EMSGSIZE, Why: whyMsgLong, Limit: "kernel.msgmax", Most: int64(msgmax)}
}

// Change is Object.Change. Truncating a queue keeps its messages.
func (q sysvQueue) Change(c Change) error {
	info, err := q.info()
	if err == nil {
		err = q.Owned(info.Attr())
	}
	if err != nil {
		return err
	}
	return q.back.Change(q.id(), c)
}

// SysVClass describes System V queues.
var SysVClass = Description{
	What: "System V message queues",
	New:  "qbytes=BYTES",
	Verbs: []Verb{
		verb(Verb{
			Name: "resize", Args: "qbytes=BYTES", Who: "the owner: up to `kernel.msgmnb`; root: more",
			Help: "how many bytes may wait in it (msgctl(2), IPC_SET)",
		}, sysvQueue.resize, sysvQueue.size),
		verb(eofVerb, func(q sysvQueue, _ Command, by Caller) error { return q.briefly(q.env.endReaders(by)) }, nil),
		verb(drainVerb, func(q sysvQueue, _ Command, by Caller) error { return q.briefly(q.env.drain(by)) }, nil),
	},
}

// Describe is described.Describe.
func (*SysV) Describe() *Description { return &SysVClass }

// size is what resize sets.
func (q sysvQueue) size() ([]Option, error) {
	info, err := q.info()
	return []Option{{"qbytes", strconv.Itoa(info.Qbytes)}}, err
}

// briefly calls f with the open queue.
func (q sysvQueue) briefly(f func(QueueEnd) error) error {
	one, err := q.back.Open(q.id(), sysv.Select{})
	if err != nil {
		return err
	}
	defer one.Close()
	return f(one)
}

// resize sets qbytes, if the command has it.
func (q sysvQueue) resize(c Command, by Caller) error {
	info, err := q.info()
	if err != nil {
		return err
	}
	n, err := q.qbytes(c, info.Qbytes, by)
	if err != nil || n == info.Qbytes {
		return err
	}
	err = q.back.Resize(q.id(), n)
	if errors.Is(err, syscall.EPERM) {
		return q.tooMany(n)
	}
	return err
}

// qbytes is that option, or what it is now. More than kernel.msgmnb is for those with CAP_SYS_RESOURCE: the
// daemon may have that capability, and must not lend it.
func (s *SysV) qbytes(c Command, now int, by Caller) (int, error) {
	n, err := c.Int("qbytes", now, 0)
	if err != nil {
		return 0, err
	}
	if _, msgmnb, _, err := s.back.Sysctls(); err != nil || n != now && n > msgmnb && by.Uid != 0 {
		return 0, s.tooMany(n)
	}
	return n, nil
}

func (s *SysV) tooMany(qbytes int) error {
	_, msgmnb, _, _ := s.back.Sysctls()
	return refuse("resize", backends.Refusal{Err: syscall.EPERM, Why: whyMsgBytes, Limit: "kernel.msgmnb",
		Value: int64(qbytes), Most: int64(msgmnb)})
}

// Report is reporter.Report, in the kernel's words (msgctl(2)).
func (q sysvQueue) Report() ([]Fact, error) {
	i, err := q.info()
	if err != nil {
		return nil, err
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.RFC3339)
	}
	facts := append([]Fact{{"key", keyName(i.Key)}, {"id", Label(i.ID)}}, owned(i.Attr())...)
	facts = append(facts,
		Fact{"cuid", Label(i.Cuid)}, Fact{"cgid", Label(i.Cgid)},
		Fact{"cbytes", i.Cbytes}, Fact{"qnum", i.Qnum}, Fact{"qbytes", i.Qbytes},
		Fact{"lspid", Label(i.Lspid)}, Fact{"lrpid", Label(i.Lrpid)},
		Fact{"stime", at(i.Stime)}, Fact{"rtime", at(i.Rtime)}, Fact{"ctime", at(i.Ctime)})
	var ends []backends.Waiter
	for _, m := range q.back.Users(i.ID) {
		ends = append(ends, m)
	}
	return append(facts, q.env.Users(ends...)...), nil
}
