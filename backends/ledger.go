package backends

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Ledger is memory that outlives its process (memfd_create(2)), for what another process is to go on from:
// records, and desks (see Desk). It is as it should be after each store, so a process may be killed anywhere.
// A nil Ledger keeps nothing. It is safe for concurrent use; one process at a time has it.
//
// A record is a number, its kind, and bytes. They lie in slots of 64 bytes, 128 and so on; all slots of a
// size are together. Each slot begins with a sequence number, which is stored last, and is 0 while the slot
// is free. A record that changes gets another slot: of two with the same number the later one counts.
type Ledger struct {
	fd   int // until Each has returned; -1: there is none
	mem  []byte
	base uintptr

	mu    sync.Mutex
	last  uint64 // sequence number
	sizes [slotSizes]slots
	spare []*Desk
	old   []*Desk // that an earlier process left work on
	// those at which it was about to send to a queue, by the queue's number, until that is resolved
	sending map[*Desk]uint64
	desks   [maxDesks]Desk
}

// slots are those of one size.
type slots struct {
	free  []uint64 // where they begin
	used  uint64   // bytes of all that were ever used
	freed uint64   // and of those that are free and have memory, about
	trims bool     // memory of theirs is given back just now
}

// A Record says where in a ledger a record is, for whoever keeps it up to date, who also guards it. The zero
// Record is nowhere yet.
type Record struct{ at uint64 }

// A Left is a record that an earlier process left.
type Left struct {
	Kind   uint32
	Number uint64
	Data   []byte
	Record Record
}

// LedgerVersion changes with what any process writes into a ledger, and with what it has kept beside it
// (Safe).
const LedgerVersion = 0x6970636673_001d

// The kinds of records that there are.
const (
	SessionRecord uint32 = iota + 1 // how a connection began
	TreeRecord                      // what a tree is like
	NodeRecord
	HandleRecord // an open file
	ListRecord   // of a directory that is read in part
	KeptRecord   // what an open file keeps
	ClassRecord  // what a class keeps
	PartRecord   // how much a write that waits has sent
	TopicRecord
	MessageRecord // of a topic
	ActRecord     // what a request makes, removes or moves
	ListenRecord  // a socket that listens
	ConnRecord    // a connection
	CallRecord    // who made a call that was not accepted yet
	HandRecord    // a message that several open files have in hand
	PastRecord    // what was done with a queue
	TopicCounts   // of a topic's readers
	SocketCounts  // of the connections of a socket
	ConnCounts    // of the bytes of a connection
	CallCounts    // of the calls of a class
	TimeRecord    // when requests came
	UnsizedRecord // names of segments that have no size yet
	EndsRecord    // how often the readers of a System V queue were ended
	TriesRecord   // how often a message was tried on lease that is back in its queue
	OpenRecord    // a queue that is open, by the number of its descriptor
	MergeRecord   // how many messages there were for the readers of a directory of topics
	EmptyRecord   // messages that poll(2) took from a System V queue
	LockRecord    // a lock that somebody holds
)

const (
	slotSizes  = 20      // 64 bytes to 32 MiB
	smallest   = 64      // bytes
	sizeRoom   = 4 << 30 // bytes of memory that all slots of a size may take: addresses, until they are used
	slotHeader = 24
	slotsBegin = 1 << 20
	desksBegin = slotsBegin + slotSizes*sizeRoom
	// LedgerBytes are those of the addresses that a ledger takes.
	LedgerBytes = desksBegin + maxDesks*deskRoom
)

// ErrLedger says that memory is no ledger, or one of another version.
var ErrLedger = errors.New("not a ledger of this version")

// NewLedger makes an empty ledger and returns its descriptor, which stays the caller's.
func NewLedger() (fd int, err error) {
	fd, err = unix.MemfdCreate("ipcfs-ledger", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("memfd_create: %w", err)
	}
	first := make([]byte, 4096)
	*(*uint64)(unsafe.Pointer(&first[0])) = LedgerVersion
	*(*uint64)(unsafe.Pointer(&first[wordBlank])) = rand.Uint64()
	if err = unix.Ftruncate(fd, LedgerBytes); err == nil {
		_, err = unix.Pwrite(fd, first, 0)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("ledger: %w", err)
	}
	return fd, nil
}

// OpenLedger maps a ledger, of which an earlier process may have left records and desks. Call Each next.
func OpenLedger(fd int) (*Ledger, error) {
	mem, err := unix.Mmap(fd, 0, LedgerBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("ledger: mmap: %w", err)
	}
	_ = unix.Madvise(mem, unix.MADV_DONTDUMP)
	l := &Ledger{mem: mem, base: uintptr(unsafe.Pointer(&mem[0]))}
	if *l.word(0) != LedgerVersion {
		_ = unix.Munmap(mem)
		return nil, ErrLedger
	}
	if l.fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		_ = unix.Munmap(mem)
		return nil, fmt.Errorf("ledger: dup: %w", err)
	}
	return l, nil
}

// Fits reports whether the records that are there, or will be, have a form: a number that is another one when
// the size of any record is. The first process that asks says which they have.
func (l *Ledger) Fits(form uint64) bool {
	form = form*31 + uint64(unsafe.Sizeof(deskHead{})<<16|unsafe.Sizeof(deskNote{})) | 1
	at := l.word(wordForm)
	if *at == 0 {
		*at = form
	}
	return *at == form
}

func (l *Ledger) word(at uint64) *uint64 { return (*uint64)(unsafe.Pointer(&l.mem[at])) }

// Words of the ledger's first page, beside its version.
const (
	wordForm   = 8     // see Ledger.Fits
	usedWords  = 0x100 // of each size of slots, how many bytes were ever used
	wordBeat   = 0x200 // how many requests were taken up
	wordNode   = 0x208 // the last number of a node,
	wordHandle = 0x210 // of an open file
	wordStep   = 0x218 // and of a step (Desk.Begin)
	wordDesks  = 0x220 // how many desks there are
	wordBlank  = 0x228 // see Ledger.blank
	wordKept   = 0x230 // the last number of a descriptor that a Safe has
	wordTotals = 0x240 // see Total
)

// Beat counts a request that was taken up.
func (l *Ledger) Beat() {
	if l != nil {
		*l.word(wordBeat)++
	}
}

// Number is a number that no process was given before, nor a desk for a step.
func (l *Ledger) Number() uint64 { return atomic.AddUint64(l.word(wordStep), 1) }

// LastNode is the number that was given last to a node. That of a nil Ledger nobody keeps.
func (l *Ledger) LastNode() *uint64 { return l.count(wordNode) }

// LastHandle is LastNode of an open file.
func (l *Ledger) LastHandle() *uint64 { return l.count(wordHandle) }

func (l *Ledger) count(at uint64) *uint64 {
	if l == nil {
		return new(uint64)
	}
	return l.word(at)
}

// sizeFor is the size of slots for records of n bytes.
func sizeFor(n int) int { return max(0, bits.Len(uint(n+slotHeader-1))-bits.Len(uint(smallest-1))) }

// Put has a record be of these bytes. A process that goes on after a kill finds it as it was, or so. Where
// there is no room, or it would be longer than 32 MiB, it stays as it was. No call waits.
func (l *Ledger) Put(r *Record, kind uint32, number uint64, data []byte) {
	if l == nil {
		return
	}
	size := sizeFor(len(data))
	if size >= slotSizes {
		return // no face keeps as much
	}
	l.mu.Lock()
	at := l.take(size)
	if at == 0 {
		l.mu.Unlock()
		return // a record as it was is better than none
	}
	l.last++
	seq := l.last
	l.mu.Unlock()
	*l.word(at + 8) = number
	*l.word(at + 16) = uint64(kind)<<32 | uint64(len(data))
	copy(l.mem[at+slotHeader:], data)
	atomic.StoreUint64(l.word(at), seq)
	old := r.at
	r.at = at
	if old != 0 {
		l.release(old)
	}
}

// Word is a record of one number, which is 0 at first; nil: there is no ledger.
func (l *Ledger) Word(r *Record, kind uint32, number uint64) *int64 {
	if l == nil {
		return nil
	}
	if r.at == 0 {
		l.Put(r, kind, number, make([]byte, 8))
	}
	if r.at == 0 {
		return nil
	}
	return (*int64)(unsafe.Pointer(&l.mem[r.at+slotHeader]))
}

// take finds a free slot; 0: there is none. The caller holds l.mu.
func (l *Ledger) take(size int) uint64 {
	s, bytes := &l.sizes[size], uint64(smallest)<<size
	if n := len(s.free); n > 0 {
		at := s.free[n-1]
		s.free = s.free[:n-1]
		s.freed -= min(bytes, s.freed)
		return at
	}
	if s.used+bytes > sizeRoom {
		return 0
	}
	at := slotsBegin + uint64(size)*sizeRoom + s.used
	s.used += bytes
	*l.word(usedWords + 8*uint64(size)) = s.used
	return at
}

// release frees a slot.
func (l *Ledger) release(at uint64) {
	atomic.StoreUint64(l.word(at), 0)
	size := int((at - slotsBegin) / sizeRoom)
	bytes := uint64(smallest) << size
	s := &l.sizes[size]
	if bytes >= returned {
		_ = unix.Madvise(l.mem[at:at+bytes], unix.MADV_REMOVE)
		l.mu.Lock()
		s.free = append(s.free, at)
		l.mu.Unlock()
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.free = append(s.free, at)
	if s.freed += bytes; s.freed >= much && !s.trims && l.fd < 0 {
		s.trims = true
		go l.trim(size, bytes)
	}
}

// Drop ends a record.
func (l *Ledger) Drop(r *Record) {
	if l != nil && r.at != 0 {
		l.release(r.at)
		r.at = 0
	}
}

// foundSlot is one that is in use.
type foundSlot struct {
	kind            uint32
	number, seq, at uint64
}

// compare puts those of one record together, the last one at their end.
func (a foundSlot) compare(b foundSlot) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.number, b.number), cmp.Compare(a.seq, b.seq))
}

// LedgerBeat is the count of Beat in the ledger at fd, which another process keeps. It stays mapped.
func LedgerBeat(fd int) (*uint64, error) {
	mem, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("ledger: mmap: %w", err)
	}
	return (*uint64)(unsafe.Pointer(&mem[wordBeat])), nil
}
