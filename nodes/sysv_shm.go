package nodes

import (
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/sysv"
)

// Segments is /sysv/shm: System V shared memory (sysvipc(7)), by keys and in private by ids as the queues
// of /sysv/queues. A segment is a regular file of a fixed size. One that touch makes has no size yet, and
// no segment, until it is truncated to one.
type Segments struct {
	back    sysv.Segments
	carried func() bool // the kernel carries what can be mapped (passthrough)
	began   time.Time

	mu sync.Mutex
	// by key: what was made without a size, and is seen to have none yet: shmget(2) may have made the segment
	unsized map[uint32]Owner
	ledger  *backends.Ledger // nil: the names end with the process
	record  backends.Record  // of those names
}

// NewSegments shows the segments of back. Only where the kernel carries shared memory itself can they be
// mapped: the pages of a mapping that the daemon serves would be others than those of shmat(2).
func NewSegments(back sysv.Segments, carried func() bool) *Segments {
	return &Segments{back: back, carried: carried, began: time.Now(), unsized: map[uint32]Owner{}}
}

// maps reports whether segments can be mapped.
func (s *Segments) maps() bool { return s.back.Maps && s.carried() }

// SegmentClass describes System V shared memory.
var SegmentClass = Description{What: "System V shared memory", New: "size=BYTES"}

// Describe is described.Describe.
func (*Segments) Describe() *Description { return &SegmentClass }

// maxUnsized is how many names without a size one user may have, so that they take no memory to speak of.
const maxUnsized = 64

// At is Class.At.
func (s *Segments) At(seen Seen) Object {
	switch {
	case seen.Path == "":
		return segmentDir{Segments: s}
	case seen.Path == privateDir:
		return segmentDir{Segments: s, sysvNames: sysvNames{private: true}}
	}
	return segment{s, seen.Ref}
}

// segmentDir is the directory of the segments that have a key, or of those that have none.
type segmentDir struct {
	nothing
	*Segments
	sysvNames
}

// Stat is Object.Stat.
func (d segmentDir) Stat(bool) (Attr, error) { return d.attr(d.began), nil }

// Find is Directory.Find.
func (d segmentDir) Find(name string) (Seen, error) {
	if dir, ok := d.below(name, d.began); ok {
		return dir, nil
	}
	id, err := d.id(name, d.back.Find)
	if key, ok := keyOf(name); err == syscall.ENOENT && ok && !d.private {
		return d.seenUnsized(key)
	}
	if err != nil {
		return Seen{}, err
	}
	info, err := d.back.Stat(id)
	if err == nil {
		err = d.has(info.Object)
	}
	if err == nil {
		d.mu.Lock()
		d.forget(info.Key)
		d.mu.Unlock()
	}
	return seenSegment(info), err
}

// seenSegment is what was seen of a segment. Its path is the one it is listed by.
func seenSegment(i sysv.SegmentInfo) Seen {
	return Seen{Ref: Ref{Path: sysvPath(i.Object), Was: i.Attr()}}
}

// List is Directory.List.
func (d segmentDir) List() ([]Entry, error) {
	all, err := d.back.List()
	if err != nil {
		return nil, err
	}
	objects := make([]sysv.Object, len(all))
	for i, one := range all {
		objects[i] = one.Object
	}
	list := d.entries(objects)
	if d.private {
		return list, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range objects {
		d.forget(o.Key)
	}
	for key := range d.unsized {
		list = append(list, Entry{Name: keyName(key), Type: syscall.S_IFREG})
	}
	return list, nil
}

// Count is Counter.Count.
func (d segmentDir) Count() (int, error) {
	n, err := d.back.Count()
	d.mu.Lock()
	defer d.mu.Unlock()
	for key := range d.unsized {
		if _, there := d.back.Find(key); there != nil {
			n++
		}
	}
	return n, err
}

// Create is Maker.Create: a name without a size.
func (d segmentDir) Create(name string, o Owner, flags int, by Caller) (Seen, Open, error) {
	seen, err := d.Mknod(name, syscall.S_IFREG, o)
	if err != nil {
		return seen, nil, err
	}
	open, err := segment{d.Segments, seen.Ref}.Open(flags&^syscall.O_TRUNC, by)
	if err != nil {
		Unmake(d, seen, by)
	}
	return seen, open, err
}

// Mknod is Maker.Mknod.
func (d segmentDir) Mknod(name string, typ uint32, o Owner) (Seen, error) {
	key, err := d.keyToMake(name, typ)
	if err != nil {
		return Seen{}, err
	}
	if _, err := d.back.Find(key); err != syscall.ENOENT {
		return Seen{}, syscall.EEXIST
	}
	d.mu.Lock()
	have := 0
	for _, other := range d.unsized {
		if other.Uid == o.Uid {
			have++
		}
	}
	_, exists := d.unsized[key]
	if !exists && have < maxUnsized {
		d.keep(key, o)
	}
	d.mu.Unlock()
	switch {
	case exists:
		return Seen{}, syscall.EEXIST
	case have >= maxUnsized:
		return Seen{}, refuse("create",
			backends.Refusal{Err: syscall.EDQUOT, Why: whyManyUnsized, Value: int64(have), Most: maxUnsized, Uid: o.Uid})
	}
	return d.seenUnsized(key)
}

// keyToMake is the key that a new name is.
func (d segmentDir) keyToMake(name string, typ uint32) (uint32, error) {
	key, ok := keyOf(name)
	switch {
	case typ != syscall.S_IFREG:
		return 0, syscall.EPERM
	case d.private, ok && key == 0:
		return 0, refuse("create", backends.Refusal{Err: syscall.EINVAL, Why: whyNoKey, Name: "segments"})
	case !ok:
		return 0, refuse("create", backends.Refusal{Err: syscall.EINVAL, Why: whyKeyName})
	}
	return key, nil
}

// New is newer.New: a segment of a size.
func (d segmentDir) New(name string, _ Owner, c Command, once making) error {
	size, err := c.Int("size", 0, 1)
	if err != nil {
		return err
	}
	if size == 0 {
		return &backends.Refusal{Err: syscall.EINVAL, Why: whySized, Name: name}
	}
	key, err := d.keyToMake(name, syscall.S_IFREG)
	if err != nil {
		return err
	}
	_, err = once(func(o Owner) (Seen, error) {
		if _, err := d.seenUnsized(key); err == nil {
			return Seen{}, syscall.EEXIST
		}
		return Seen{}, d.make(key, o, int64(size))
	})
	return err
}

// make makes a segment.
func (s *Segments) make(key uint32, o Owner, size int64) error {
	_, err := s.back.Create(key, o, size)
	switch {
	case errors.Is(err, syscall.EINVAL):
		return refuse("create", backends.Refusal{
			Err: syscall.EINVAL, Why: whySegmentSize, Limit: "kernel.shmmax", Value: size,
		})
	case errors.Is(err, syscall.ENOSPC):
		return refuse("create", backends.Refusal{Err: syscall.ENOSPC, Why: whySegments})
	}
	return err
}

// Remove is Maker.Remove: those who have the segment attached or open go on with it.
func (d segmentDir) Remove(name string, by Caller) error {
	seen, err := d.Find(name)
	if err == nil {
		err = mayRemove(by)(seen.Was)
	}
	if err != nil {
		return err
	}
	if key, ok := unsizedKey(seen.Was); ok {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.forget(key)
		return nil
	}
	return d.back.Remove(sysv.ID(seen.Was))
}

// segment is one segment, or a name without a size.
type segment struct {
	*Segments
	Ref
}

// Stat is Object.Stat.
func (s segment) Stat(bool) (Attr, error) {
	if key, ok := unsizedKey(s.Was); ok {
		seen, err := s.seenUnsized(key)
		return seen.Was, err
	}
	info, err := s.info()
	return info.Attr(), err
}

// info is what the kernel tells of the segment.
func (s segment) info() (sysv.SegmentInfo, error) {
	info, err := s.back.Stat(sysv.ID(s.Was))
	if err == nil {
		err = s.Is(info.Attr())
	}
	return info, err
}

// Open is Object.Open: memory that can be mapped, or else bytes to read and write.
func (s segment) Open(flags int, _ Caller) (Open, error) {
	a, err := s.Stat(false)
	if err == nil {
		err = s.Judged(a)
	}
	if err != nil {
		return nil, err
	}
	if _, ok := unsizedKey(s.Was); ok {
		return unsizedFile{s}, nil
	}
	if flags&syscall.O_TRUNC != 0 && a.Size != 0 {
		return nil, errFixed
	}
	id := sysv.ID(s.Was)
	if !s.maps() {
		return s.attach(id)
	}
	open, err := s.back.Open(id)
	if err != nil {
		return nil, err
	}
	return mapped{open}, nil
}

func (s segment) attach(id int) (Open, error) {
	one, err := s.back.Attach(id)
	if err != nil {
		return nil, err
	}
	return attached{one}, nil
}

// mapped is a segment that can be mapped.
type mapped struct{ *sysv.Segment }

// Change is Memory.Change.
func (m mapped) Change(c Change) error {
	if a, err := m.Stat(); c.Size != nil && (err != nil || *c.Size != a.Size) {
		return errFixed
	}
	c.Size = nil
	return m.Segment.Change(c)
}

// attached is a segment of which there is no descriptor. It has the calls of Bytes alone, so that nobody
// takes it for something that can be mapped.
type attached struct{ one *sysv.Attachment }

// Stat is Open.Stat.
func (a attached) Stat() (Attr, error) { return a.one.Stat() }

// ReadAt is Bytes.ReadAt.
func (a attached) ReadAt(p []byte, off int64) (int, error) { return a.one.ReadAt(p, off) }

// WriteAt is Bytes.WriteAt.
func (a attached) WriteAt(p []byte, off int64) (int, error) { return a.one.WriteAt(p, off) }

// Close is Open.Close.
func (a attached) Close() error { return a.one.Close() }

var errFixed = refuse("truncate", backends.Refusal{Err: syscall.EPERM, Why: whyFixed})

// Change is Object.Change. The size of a name without one makes the segment; that of a segment is fixed.
func (s segment) Change(c Change) error {
	a, err := s.Stat(false)
	key, ok := unsizedKey(s.Was)
	if ok && err == syscall.ENOENT && c.Size != nil && s.made(*c.Size) {
		return nil
	}
	if err == nil {
		err = s.Owned(a)
	}
	if err != nil {
		return err
	}
	switch {
	case ok:
		return s.changeUnsized(key, c)
	case c.Size != nil && *c.Size != a.Size:
		return errFixed
	}
	c.Size = nil
	return s.back.Change(sysv.ID(s.Was), c)
}

// Report is reporter.Report, in the kernel's words (shmctl(2)).
func (s segment) Report() ([]Fact, error) {
	a, err := s.Stat(false)
	if err != nil {
		return nil, err
	}
	if key, ok := unsizedKey(s.Was); ok {
		return append([]Fact{{"key", keyName(key)}}, owned(a)...), nil
	}
	i, err := s.info()
	if err != nil {
		return nil, err
	}
	mapping := "no" // the daemon has no right to it (CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE), or no passthrough
	if s.maps() {
		mapping = "yes"
	}
	facts := append([]Fact{{"key", keyName(i.Key)}, {"id", Label(i.ID)}}, owned(a)...)
	return append(facts,
		Fact{"cuid", Label(i.Cuid)}, Fact{"cgid", Label(i.Cgid)}, Fact{"bytes", i.Size}, Fact{"nattch", i.Nattch},
		Fact{"cpid", Label(i.Cpid)}, Fact{"lpid", Label(i.Lpid)},
		Fact{"atime", when(i.Atime)}, Fact{"dtime", when(i.Dtime)}, Fact{"ctime", when(i.Ctime)},
		Fact{"mappable", mapping}), nil
}

// when is how status shows a time of the kernel's.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}
