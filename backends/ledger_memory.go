package backends

import (
	"slices"

	"golang.org/x/sys/unix"
)

// What a ledger takes of the machine's memory: the pages of slots that are in use, and of some that are free.

const (
	returned = 64 << 10 // slots of so many bytes give their memory back when they are free; others in Trim:
	worth    = 4 << 20  // of a size of which so many bytes are free and have memory,
	much     = 16 << 20 // or at once;
	ready    = 64 << 10 // so many bytes stay ready for the next records
	step     = 1 << 20  // so many go at a time: a kill, and who takes memory of the ledger, wait for one

	wholePages = 4096 // slots of at most so many bytes have no page without a beginning of one
)

// Trim gives memory of free slots back to the kernel, where that is much. Records can be put meanwhile.
func (l *Ledger) Trim() {
	if l == nil {
		return
	}
	for size := range l.sizes {
		s := &l.sizes[size]
		l.mu.Lock()
		trims := s.freed >= worth && !s.trims
		s.trims = s.trims || trims
		l.mu.Unlock()
		if trims {
			l.trim(size, uint64(smallest)<<size)
		}
	}
}

// trim does so with slots of one size, whose trims is set.
func (l *Ledger) trim(size int, bytes uint64) {
	free := l.takeFree(size, bytes)
	slices.Sort(free)
	for i := 0; i < len(free); {
		begin := free[i]
		for i++; i < len(free) && free[i] == free[i-1]+bytes; i++ {
		}
		from, to := (begin+pageSize-1)&^(pageSize-1), (free[i-1]+bytes)&^(pageSize-1)
		for from < to {
			next := min(from+step, to)
			_ = unix.Madvise(l.mem[from:next], unix.MADV_REMOVE)
			from = next
		}
	}
	l.putFree(size, bytes, free)
}

// takeFree takes the free slots out, but for the few that were freed last: nobody gets one until putFree.
func (l *Ledger) takeFree(size int, bytes uint64) (free []uint64) {
	s := &l.sizes[size]
	l.mu.Lock()
	defer l.mu.Unlock()
	n := max(0, len(s.free)-int(ready/bytes))
	free = s.free[:n:n]
	s.free, s.freed = slices.Clone(s.free[n:]), 0
	return free
}

// putFree has slots be free again, in the order of where they are, of which the first are taken first. Those at the
// end were never used.
func (l *Ledger) putFree(size int, bytes uint64, free []uint64) {
	s := &l.sizes[size]
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(free)
	for n > 0 && free[n-1]+bytes == slotsBegin+uint64(size)*sizeRoom+s.used {
		n--
		s.used -= bytes
	}
	*l.word(usedWords + 8*uint64(size)) = s.used
	slices.Reverse(free[:n])
	s.free, s.trims = append(slices.Clone(free[:n]), s.free...), false
}

// pageSize is the kernel's, in bytes.
var pageSize = uint64(unix.Getpagesize())

// Each calls f with each record that an earlier process left, in the order of their kinds, and of their
// numbers, before anything is put. The bytes are the ledger's, and stay what they are until the record
// changes. A record, or a desk, that no process can have written is dropped.
func (l *Ledger) Each(f func(kind uint32, number uint64, data []byte, r Record)) {
	var found []foundSlot
	for size := range l.sizes {
		found = l.find(size, uint64(smallest)<<size, found)
	}
	if l.fd >= 0 {
		_ = unix.Close(l.fd)
		l.fd = -1
	}
	slices.SortFunc(found, foundSlot.compare)
	for i, one := range found {
		if i+1 < len(found) && found[i+1].kind == one.kind && found[i+1].number == one.number {
			l.release(one.at)
			continue
		}
		length := *l.word(one.at + 16) & 0xffffffff
		f(one.kind, one.number, l.mem[one.at+slotHeader:one.at+slotHeader+length], Record{one.at})
	}
	l.oldDesks()
}

// find adds to found the slots of a size that are in use. Others are free: those that have no memory are not
// touched, so that they have none afterwards.
func (l *Ledger) find(size int, bytes uint64, found []foundSlot) []foundSlot {
	s := &l.sizes[size]
	at := slotsBegin + uint64(size)*sizeRoom
	s.used = min(*l.word(usedWords + 8*uint64(size)), sizeRoom) / bytes * bytes
	for end := at + s.used; at < end; {
		from, to := l.memory(at, end)
		for ; at < from; at += bytes {
			s.free = append(s.free, at)
		}
		if bytes <= wholePages && from < to {
			_ = unix.Madvise(l.mem[from:to], unix.MADV_POPULATE_WRITE) // at once, not page by page
		}
		found = slices.Grow(found, int((to-from)/bytes))
		for ; at < min(to, end); at += bytes {
			seq := *l.word(at)
			if seq == 0 {
				s.free = append(s.free, at)
				s.freed += bytes
				continue
			}
			if *l.word(at + 16)&0xffffffff > bytes-slotHeader {
				l.release(at)
				continue
			}
			l.last = max(l.last, seq)
			found = append(found, foundSlot{uint32(*l.word(at + 16) >> 32), *l.word(at + 8), seq, at})
		}
	}
	slices.Reverse(s.free) // the first ones are taken first
	return found
}

// memory are the first bytes from at on that have memory, whole pages; at end: none have.
func (l *Ledger) memory(at, end uint64) (from, to uint64) {
	if l.fd < 0 {
		return at, end
	}
	data, err := unix.Seek(l.fd, int64(at), unix.SEEK_DATA)
	if err == unix.ENXIO || err == nil && uint64(data) >= end {
		return end, end
	}
	hole, err2 := unix.Seek(l.fd, max(data, int64(at)), unix.SEEK_HOLE)
	if err != nil || err2 != nil {
		return at, end
	}
	return uint64(data), min(uint64(hole), end)
}
