package nodes

import (
	"maps"
	"slices"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// unsizedIno is the inode number of a name without a size, beside its key: no segment has one as high.
const unsizedIno = 1 << 40

// Lasts has the names without a size be in a ledger, with those that an earlier process left there. It is to
// be called before anything is opened.
func (s *Segments) Lasts(l *backends.Ledger, left []backends.Left) {
	if l == nil {
		return
	}
	for _, one := range left {
		s.record = one.Record
		_ = Decode(one.Data, s.codeUnsized) // of names that cannot be read there are none
	}
	s.ledger = l
}

// Last is Lasting.Last: the names without a size.
func (s *Segments) Last(c *Coder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ledger == nil {
		s.codeUnsized(c)
	}
}

// codeUnsized writes or reads the names without a size. The caller holds s.mu, or nobody else has s.
func (s *Segments) codeUnsized(c *Coder) {
	keys := slices.Sorted(maps.Keys(s.unsized))
	Each(c, &keys, func(key *uint32) {
		Number(c, key)
		o := s.unsized[*key]
		Number(c, &o.Uid)
		Number(c, &o.Gid)
		if Number(c, &o.Mode); c.Reads() {
			s.unsized[*key] = o
		}
	})
}

// keep has a name without a size be there, or be another one's. The caller holds s.mu, as of forget.
func (s *Segments) keep(key uint32, o Owner) {
	s.unsized[key] = Owner{Uid: o.Uid, Gid: o.Gid, Mode: o.Mode}
	s.ledger.Put(&s.record, backends.UnsizedRecord, 0, Encode(s.codeUnsized))
}

// forget has a name be a segment's, or nobody's.
func (s *Segments) forget(key uint32) {
	if _, there := s.unsized[key]; there {
		delete(s.unsized, key)
		s.ledger.Put(&s.record, backends.UnsizedRecord, 0, Encode(s.codeUnsized))
	}
}

// seenUnsized is a name that was made without a size.
func (s *Segments) seenUnsized(key uint32) (Seen, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.unsized[key]
	if !ok {
		return Seen{}, syscall.ENOENT
	}
	a := Attr{
		ID: backends.ID{Ino: unsizedIno + uint64(key)}, Mode: syscall.S_IFREG | o.Mode&0777,
		Nlink: 1, Uid: o.Uid, Gid: o.Gid,
	}
	return Seen{Ref: Ref{Path: keyName(key), Was: a}}, nil
}

// unsizedKey is the key of a name without a size; false if it is a segment.
func unsizedKey(a Attr) (uint32, bool) {
	return uint32(a.Ino - unsizedIno), a.Ino >= unsizedIno
}

func (s segment) changeUnsized(key uint32, c Change) error {
	s.mu.Lock()
	o, ok := s.unsized[key]
	if !ok {
		s.mu.Unlock()
		return syscall.ENOENT
	}
	if c.Mode != nil {
		o.Mode = *c.Mode & 0777
	}
	if c.Uid != nil {
		o.Uid = *c.Uid
	}
	if c.Gid != nil {
		o.Gid = *c.Gid
	}
	s.keep(key, o)
	s.mu.Unlock()
	if c.Size == nil || *c.Size == 0 {
		return nil
	}
	if err := s.make(key, o, *c.Size); err != nil && !(err == syscall.EEXIST && s.made(*c.Size)) {
		return err
	}
	backends.Point("acted")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(key)
	backends.Point("noted act")
	return nil
}

// made reports whether a segment of this size was made of the name: by an earlier process, in the same
// request.
func (s segment) made(size int64) bool {
	one, err := unsizedFile{s}.sized()
	if err != nil {
		return false
	}
	a, err := one.Stat(false)
	return err == nil && a.Size == size
}

// unsizedFile is an open name without a size. When it has got one, what is read and written is the segment's.
type unsizedFile struct{ segment }

// Stat is Open.Stat.
func (f unsizedFile) Stat() (Attr, error) {
	one, err := f.sized()
	if err != nil {
		return f.segment.Stat(false)
	}
	return one.Stat(false)
}

// sized is the segment that was made of the name, for its owner and group.
func (f unsizedFile) sized() (segment, error) {
	key, _ := unsizedKey(f.Was)
	id, err := f.back.Find(key)
	if err != nil {
		return segment{}, err
	}
	info, err := f.back.Stat(id)
	if err == nil && (info.Uid != f.Was.Uid || info.Gid != f.Was.Gid || info.Mode != f.Was.Mode&0777) {
		err = syscall.ESTALE
	}
	return segment{f.Segments, seenSegment(info).Ref}, err
}

// ReadAt is Bytes.ReadAt.
func (f unsizedFile) ReadAt(p []byte, off int64) (int, error) {
	one, err := f.sized()
	if err != nil {
		return 0, nil
	}
	return f.through(one, func(b Bytes) (int, error) { return b.ReadAt(p, off) })
}

// WriteAt is Bytes.WriteAt.
func (f unsizedFile) WriteAt(p []byte, off int64) (int, error) {
	one, err := f.sized()
	if err != nil {
		return 0, refuse("write", backends.Refusal{Err: syscall.EFBIG, Why: whyUnsized})
	}
	return f.through(one, func(b Bytes) (int, error) { return b.WriteAt(p, off) })
}

func (f unsizedFile) through(one segment, do func(Bytes) (int, error)) (int, error) {
	open, err := one.Open(0, Caller{})
	if err != nil {
		return 0, err
	}
	defer open.Close()
	return do(open.(Bytes))
}

// Close is Open.Close.
func (unsizedFile) Close() error { return nil }
