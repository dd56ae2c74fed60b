// Package sysv owns System V message queues and shared memory (sysvipc(7)) of the ipc namespace the daemon
// was started in.
//
// The kernel knows such an object by its id. An id serves again in the end, so who made the object, and for
// which key, is a part of its identity. A key leads to an id, but objects made with IPC_PRIVATE have none.
// Queues and Segments make, find, list, change and remove; a Queue is an open selection of the messages of
// one queue, and an Endpoint; a Segment is open memory that can be mapped, an Attachment memory that cannot.
//
// All is safe for concurrent use and nothing waits for another process. The kernel tells nobody when a
// message comes to a queue, so while somebody waits, the queue is looked at again and again. Errors are
// those of msgop(2), msgctl(2), shmget(2) and shmctl(2), with ENOENT for an object that is not there,
// backends.ErrWouldBlock and backends.ErrRemoved; a kernel without System V IPC answers EOPNOTSUPP. Package
// nodes calls it.
package sysv

import (
	"sync"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// Queues are the System V message queues (sysvipc(7)) of the ipc namespace the daemon was started in. The
// kernel knows a queue by its id; a key finds the id, but not of those that were made with IPC_PRIVATE.
type Queues struct {
	Peeks bool // the kernel can copy a message and leave it where it is (MSG_COPY)

	poll    *backends.Poller
	buffers sync.Pool // of *[]byte, each a struct msgbuf

	mu     sync.Mutex
	open   map[int]*openQueue // by id; not one that was removed and whose id serves another queue by now
	opened int                // how many are open, those too
	clock  *clock             // nil: none is open

	ledger *backends.Ledger // nil: nothing outlives this process
	left   map[int]*left    // by an earlier process, by id
}

// QueueInfo is what msgctl(2) tells of a queue. Sizes are in bytes, times in whole seconds.
type QueueInfo struct {
	Object
	Cbytes, Qnum, Qbytes int // waiting, in so many messages; what may wait
	Lspid, Lrpid         int // who sent and received last; the daemon's where it was done through the mount
	Stime, Rtime, Ctime  time.Time
}

// Attr is what stat(2) shows: the times are those of the last message received and sent, or the last change
// where there was none.
func (i QueueInfo) Attr() backends.Attr {
	return i.attr(int64(i.Cbytes), i.Rtime, i.Stime, i.Ctime)
}

// NewQueues finds out what the kernel can do.
func NewQueues(p *backends.Poller) *Queues {
	s := &Queues{poll: p, open: map[int]*openQueue{}}
	s.buffers.New = func() any { b := make([]byte, longSize+8192); return &b }
	// The kernel looks whether it can copy before it looks whether there is such a queue.
	_, err := msgrcv(1<<31-1, make([]byte, longSize), 0, msgCopy)
	s.Peeks = err == unix.EINVAL
	return s
}

// Find is the id of the queue with this key, ENOENT if there is none (msgget(2)).
func (s *Queues) Find(key uint32) (int, error) {
	if key == 0 {
		return 0, unix.ENOENT
	}
	return msgget(key, 0)
}

// Stat tells of the queue with this id, ENOENT if there is none. It needs no permission on the queue.
func (s *Queues) Stat(id int) (QueueInfo, error) {
	var d msqid
	if err := statQueue(id, &d); err != nil {
		return QueueInfo{}, err
	}
	return queueInfo(id, &d), nil
}

func statQueue(id int, d *msqid) error {
	got, err := msgctl(id, msgStatAny, d)
	return missing(id, got, err)
}

func (s *Queues) object(id int) (Object, error) {
	info, err := s.Stat(id)
	return info.Object, err
}

func queueInfo(id int, d *msqid) QueueInfo {
	return QueueInfo{
		Object: objectOf(id, &d.perm), Cbytes: int(d.cbytes), Qnum: int(d.qnum), Qbytes: int(d.qbytes),
		Lspid: int(d.lspid), Lrpid: int(d.lrpid), Stime: d.time(0), Rtime: d.time(1), Ctime: d.time(2),
	}
}

// List tells of all queues, in no order. It goes by MSG_STAT_ANY and not by /proc/sysvipc/msg, which shows
// the same queues with the same ids, but not their qbytes, and takes a /proc of the right pid namespace. A
// kernel without System V IPC has no queues.
func (s *Queues) List() ([]QueueInfo, error) {
	_, last, err := msgLimits()
	return listTo(last, err, func(index int) (QueueInfo, error) {
		var d msqid
		id, err := msgctl(index, msgStatAny, &d)
		return queueInfo(id, &d), err
	})
}

// Count is how many there are, as the kernel counts them; none without CONFIG_SYSVIPC.
func (s *Queues) Count() (int, error) {
	info, _, err := msgLimits()
	if err == unix.EOPNOTSUPP {
		return 0, nil
	}
	return int(info.msgpool), err
}

// Sysctls are the longest message, the bytes of a new queue, and how many queues there may be
// (kernel.msgmax, msgmnb, msgmni).
func (s *Queues) Sysctls() (msgmax, msgmnb, msgmni int, err error) {
	info, _, err := msgLimits()
	return int(info.msgmax), int(info.msgmnb), int(info.msgmni), err
}

// Limits is Limited.Limits.
func (s *Queues) Limits() []backends.Limit {
	queues := int64(-1)
	if info, _, err := msgLimits(); err == nil {
		queues = int64(info.msgpool)
	}
	return []backends.Limit{
		{Name: "kernel.msgmni", Used: queues, Limit: backends.Sysctl("kernel/msgmni")},
		{Name: "kernel.msgmax", Used: -1, Limit: backends.Sysctl("kernel/msgmax")},
		{Name: "kernel.msgmnb", Used: -1, Limit: backends.Sysctl("kernel/msgmnb")},
	}
}

// Create makes a queue that must not exist yet, in the name of its owner. ENOSPC: kernel.msgmni is reached.
func (s *Queues) Create(key uint32, o backends.Owner) (QueueInfo, error) {
	id, err := makeFor(s, o, func(flags int) (int, error) { return msgget(key, flags) })
	if err != nil {
		return QueueInfo{}, err
	}
	return s.Stat(id)
}

// Change sets mode and owner. Sizes and times are not for setting.
func (s *Queues) Change(id int, c backends.Change) error {
	return s.set(id, func(d *msqid) bool { return setOwner(&d.perm, c) })
}

// Resize sets how many bytes may wait in the queue. More than kernel.msgmnb takes CAP_SYS_RESOURCE: EPERM.
func (s *Queues) Resize(id, qbytes int) error {
	return s.set(id, func(d *msqid) bool {
		d.qbytes = uintptr(qbytes)
		return true
	})
}

// set is msgctl(2) with IPC_SET, which sets everything at once, if change has changed anything. What
// somebody else sets in the same moment may be undone.
func (s *Queues) set(id int, change func(*msqid) bool) error {
	var d msqid
	if err := statQueue(id, &d); err != nil {
		return err
	}
	if !change(&d) {
		return nil
	}
	if _, err := msgctl(id, unix.IPC_SET, &d); err != nil {
		return err
	}
	s.touched(id)
	return nil
}

// Remove is IPC_RMID. Whoever waits for the queue, here or natively, is told EIDRM; what was in it is gone.
func (s *Queues) Remove(id int) error {
	if _, err := msgctl(id, unix.IPC_RMID, nil); err != nil {
		return err
	}
	s.touched(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.open[id]; q != nil {
		return s.endUnused(q)
	}
	return nil
}

// touched has those who wait for a queue look at it at once.
func (s *Queues) touched(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.open[id]; q != nil {
		s.poll.Soon(q.look)
	}
}
