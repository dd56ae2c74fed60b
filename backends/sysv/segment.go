package sysv

import (
	"sync"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// Segments are the System V shared memory segments (sysvipc(7)) of the ipc namespace the daemon was started
// in. The kernel knows a segment by its id; a key finds the id, but not of those that were made with
// IPC_PRIVATE. It is safe for concurrent use.
type Segments struct {
	Maps bool // the daemon may have descriptors of segments, by which they can be mapped
}

// NewSegments finds out what the daemon may do.
func NewSegments() Segments {
	id, err := shmget(unix.IPC_PRIVATE, 1, unix.IPC_CREAT|0600)
	if err != nil {
		return Segments{}
	}
	s := Segments{Maps: true}
	one, err := s.Open(id)
	_ = s.Remove(id)
	if err != nil {
		return Segments{}
	}
	_ = one.Close()
	return s
}

// SegmentInfo is what shmctl(2) tells of a segment. Sizes are in bytes, times in whole seconds.
type SegmentInfo struct {
	Object
	Size   int64
	Nattch int64 // who has it attached; files of the tree do not count
	// who created it; who attached or detached it last, the daemon where it was opened through the tree
	Cpid, Lpid          int
	Atime, Dtime, Ctime time.Time
	Removed             bool // it is there until the last who has it attached detaches it
}

// Attr is what stat(2) shows.
func (i SegmentInfo) Attr() backends.Attr {
	a := i.attr(i.Size, i.Atime, i.Dtime, i.Ctime)
	a.Blocks = (i.Size + 511) / 512
	return a
}

// Find is the id of the segment with this key, ENOENT if there is none (shmget(2)).
func (Segments) Find(key uint32) (int, error) {
	if key == 0 {
		return 0, unix.ENOENT
	}
	return shmget(key, 0, 0)
}

// Stat tells of the segment with this id, ENOENT if there is none. It needs no permission on the segment.
func (Segments) Stat(id int) (SegmentInfo, error) {
	var d unix.SysvShmDesc
	if err := statSegment(id, &d); err != nil {
		return SegmentInfo{}, err
	}
	return segmentInfo(id, &d), nil
}

func statSegment(id int, d *unix.SysvShmDesc) error {
	got, err := shmctl(id, shmStatAny, d)
	return missing(id, got, err)
}

func (s Segments) object(id int) (Object, error) {
	info, err := s.Stat(id)
	return info.Object, err
}

func segmentInfo(id int, d *unix.SysvShmDesc) SegmentInfo {
	at := func(sec int64) time.Time {
		if sec == 0 {
			return time.Time{}
		}
		return time.Unix(sec, 0)
	}
	return SegmentInfo{
		Object: objectOf(id, &d.Perm), Size: int64(d.Segsz), Nattch: int64(d.Nattch),
		Cpid: int(d.Cpid), Lpid: int(d.Lpid),
		Atime: at(int64(d.Atime)), Dtime: at(int64(d.Dtime)), Ctime: at(int64(d.Ctime)),
		Removed: d.Perm.Mode&shmDest != 0,
	}
}

// List tells of all segments, in no order. A kernel without System V IPC has none.
func (Segments) List() ([]SegmentInfo, error) {
	_, last, err := shmLast()
	return listTo(last, err, func(index int) (SegmentInfo, error) {
		var d unix.SysvShmDesc
		id, err := shmctl(index, shmStatAny, &d)
		return segmentInfo(id, &d), err
	})
}

// Count is how many there are, as the kernel counts them; none without CONFIG_SYSVIPC.
func (Segments) Count() (int, error) {
	n, _, err := shmLast()
	if err == unix.EOPNOTSUPP {
		return 0, nil
	}
	return n, err
}

// Limits is Limited.Limits.
func (Segments) Limits() []backends.Limit {
	segments := int64(-1)
	if count, _, err := shmLast(); err == nil {
		segments = int64(count)
	}
	return []backends.Limit{
		{Name: "kernel.shmmni", Used: segments, Limit: backends.Sysctl("kernel/shmmni")},
		{Name: "kernel.shmmax", Used: -1, Limit: backends.Sysctl("kernel/shmmax")},
		{Name: "kernel.shmall", Used: -1, Limit: backends.Sysctl("kernel/shmall")},
	}
}

// Create makes a segment of size bytes that must not exist yet, in the name of its owner. EINVAL: size is 0
// or above kernel.shmmax. ENOSPC: kernel.shmmni or kernel.shmall is reached.
func (s Segments) Create(key uint32, o backends.Owner, size int64) (SegmentInfo, error) {
	if int64(int(size)) != size {
		return SegmentInfo{}, unix.EINVAL // more than there are addresses
	}
	id, err := makeFor(s, o, func(flags int) (int, error) { return shmget(key, int(size), flags) })
	if err != nil {
		return SegmentInfo{}, err
	}
	return s.Stat(id)
}

// Change sets mode and owner with IPC_SET, which sets them at once. Times are not for setting, nor is the
// size: EPERM.
func (Segments) Change(id int, c backends.Change) error {
	var d unix.SysvShmDesc
	if err := statSegment(id, &d); err != nil {
		return err
	}
	if c.Size != nil && *c.Size != int64(d.Segsz) {
		return unix.EPERM
	}
	if !setOwner(&d.Perm, c) {
		return nil
	}
	_, err := shmctl(id, unix.IPC_SET, &d)
	return err
}

// Remove is IPC_RMID. Those who have the segment attached or open go on with it.
func (Segments) Remove(id int) error {
	_, err := shmctl(id, unix.IPC_RMID, nil)
	return err
}

// A Segment is an open System V shared memory segment. Reading and writing do not wait for another process.
type Segment struct {
	*backends.Memory
	was  backends.Attr // when it was opened
	back Segments
}

// Open opens the segment: a descriptor of its own, which does not count as an attachment and lasts longer
// than the segment's id. Where Maps says that the daemon has no right to one, see Attach.
func (s Segments) Open(id int) (*Segment, error) {
	info, err := s.Stat(id)
	if err != nil {
		return nil, err
	}
	data, err := unix.SysvShmAttach(id, 0, 0)
	if err != nil {
		return nil, err
	}
	defer unix.SysvShmDetach(data)
	fd, err := backends.ToStay(descriptorOf(data, unix.O_RDWR))
	if err != nil {
		return nil, err
	}
	return &Segment{Memory: backends.MemoryAt(fd), was: info.Attr(), back: s}, nil
}

// Reopen is the segment that an earlier process had opened, at its descriptor, which is the Segment's from then
// on unless it is another file's: ESTALE. It may be removed by now.
func (s Segments) Reopen(fd int, was backends.Attr) (*Segment, error) {
	if a, err := backends.Fstat(fd); err != nil || a.Ino != uint64(ID(was)) { // newseg, ipc/shm.c
		return nil, unix.ESTALE
	}
	return &Segment{Memory: backends.MemoryAt(fd), was: was, back: s}, nil
}

// Was is what stat(2) showed when it was opened.
func (m *Segment) Was() backends.Attr { return m.was }

// Stat is that of the segment, or of what is left of one that was removed.
func (m *Segment) Stat() (backends.Attr, error) { return m.back.left(m.was) }

// left is what stat(2) shows of an open segment.
func (s Segments) left(was backends.Attr) (backends.Attr, error) {
	now, err := s.Stat(ID(was))
	if err != nil || now.identity() != was.ID {
		was.Nlink = 0
		return was, nil
	}
	return now.Attr(), nil
}

// WriteAt is pwrite(2), which does not make the segment longer: EFBIG at its end.
func (m *Segment) WriteAt(p []byte, off int64) (int, error) {
	if off >= m.was.Size {
		return 0, unix.EFBIG
	}
	return m.Memory.WriteAt(p[:min(int64(len(p)), m.was.Size-off)], off)
}

// Allocate refuses: all of a segment is there.
func (m *Segment) Allocate(uint32, int64, int64) error { return unix.EOPNOTSUPP }

// Change sets mode and owner; the size is fixed: EPERM.
func (m *Segment) Change(c backends.Change) error { return m.back.Change(ID(m.was), c) }

// Writable is nil: the kernel judges by the mode.
func (m *Segment) Writable() error { return nil }

// Close closes the segment. A write that the kernel carries can make the file behind it longer than the
// segment (up to what memory the writer's control group has, as with memfd_create(2)); that goes again
// here, at the latest.
func (m *Segment) Close() error {
	if a, err := backends.Fstat(m.Fd()); err == nil && a.Size > m.was.Size {
		_ = unix.Ftruncate(m.Fd(), m.was.Size)
	}
	return m.Memory.Close()
}

// An Attachment is a segment that the daemon has attached, where it has no right to a descriptor of it: it
// can be read and written, and not mapped. It counts in nattch.
type Attachment struct {
	info SegmentInfo
	back Segments

	mu   sync.RWMutex
	data []byte // nil: closed
}

// Attach attaches the segment (shmat(2)).
func (s Segments) Attach(id int) (*Attachment, error) {
	info, err := s.Stat(id)
	if err != nil {
		return nil, err
	}
	data, err := unix.SysvShmAttach(id, 0, 0)
	if err == unix.EACCES {
		data, err = unix.SysvShmAttach(id, 0, unix.SHM_RDONLY)
		info.Mode &^= 0222
	}
	if err != nil {
		return nil, err
	}
	return &Attachment{info: info, back: s, data: data}, nil
}

// Stat is Segment.Stat.
func (a *Attachment) Stat() (backends.Attr, error) { return a.back.left(a.info.Attr()) }

// ReadAt copies from the segment: 0 at its end.
func (a *Attachment) ReadAt(p []byte, off int64) (int, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if off >= int64(len(a.data)) {
		return 0, nil
	}
	return copy(p, a.data[off:]), nil
}

// WriteAt copies into the segment: EFBIG at its end, EACCES if the daemon may only read it.
func (a *Attachment) WriteAt(p []byte, off int64) (int, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	switch {
	case off >= int64(len(a.data)):
		return 0, unix.EFBIG
	case a.info.Mode&0222 == 0:
		return 0, unix.EACCES
	}
	return copy(a.data[off:], p), nil
}

// Close detaches the segment.
func (a *Attachment) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	data := a.data
	if a.data = nil; data == nil {
		return nil
	}
	return unix.SysvShmDetach(data)
}
