package nodes

import (
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// unsizedIno is the inode number of a name without a size, beside its key: no segment has one as high.
const unsizedIno = 1 << 40

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
	s.unsized[key] = o
	s.mu.Unlock()
	if c.Size == nil || *c.Size == 0 {
		return nil
	}
	if err := s.make(key, o, *c.Size); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.unsized, key)
	return nil
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
