package backends

import (
	"sync/atomic"
	"unsafe"
)

// Numbers that outlive a process lie in its ledger and change there in place. So it costs no more to count
// than elsewhere, and another process goes on with what was counted.

// Counts are n numbers, 0 at first, in a record of their own, and behind them the name of what they are of.
// They are valid until the record is dropped. Without a ledger, or room in it, they end with the process.
func (l *Ledger) Counts(r *Record, kind uint32, number uint64, n int, of string) []atomic.Int64 {
	if l == nil {
		return make([]atomic.Int64, n)
	}
	size := 8*n + len(of)
	if r.at != 0 && int(*l.word(r.at + 16)&0xffffffff) != size {
		l.Drop(r) // another program's
	}
	if r.at == 0 {
		l.Put(r, kind, number, append(make([]byte, 8*n, size), of...))
	}
	if r.at == 0 {
		return make([]atomic.Int64, n)
	}
	return unsafe.Slice((*atomic.Int64)(unsafe.Pointer(&l.mem[r.at+slotHeader])), n)
}

// CountsOf is of whom n numbers are that an earlier process left.
func (l *Left) CountsOf(n int) string { return string(l.Data[min(8*n, len(l.Data)):]) }

// A Flow is what went one way: how many messages, and their bytes. Both lie together in a ledger (Flows).
type Flow struct{ messages, bytes atomic.Int64 }

// Flows are the Counts n, two for each.
func Flows(n []atomic.Int64) []Flow {
	return unsafe.Slice((*Flow)(unsafe.Pointer(unsafe.SliceData(n))), len(n)/2)
}

// Add counts messages of so many bytes in all.
func (f *Flow) Add(messages, bytes int64) {
	f.messages.Add(messages)
	f.bytes.Add(bytes)
}

// Moved is what was counted.
func (f *Flow) Moved() Moved { return Moved{f.messages.Load(), f.bytes.Load()} }

// Moved is how many messages went one way, and their bytes.
type Moved struct{ Messages, Bytes int64 }

// Add counts messages of so many bytes in all.
func (m *Moved) Add(messages, bytes int64) {
	m.Messages += messages
	m.Bytes += bytes
}

// A Total is a number of which there is one.
type Total uint64

// The totals that there are.
const (
	Requests   Total = iota // that were taken up
	Unawaited               // whose answer nobody waited for any more
	NotCarried              // files that the kernel did not take to carry
)

// Total is where a total is counted; without a ledger it ends with the process.
func (l *Ledger) Total(which Total) *atomic.Int64 {
	if l == nil {
		return new(atomic.Int64)
	}
	return (*atomic.Int64)(unsafe.Pointer(&l.mem[wordTotals+8*which]))
}

// Count adds n to a number for what was noted last, or has come Again, unless an earlier process did. Without
// a desk it just adds.
func (d *Desk) Count(to *atomic.Int64, n int64) {
	if d.counts() {
		to.Add(n)
		d.counted()
	}
}

// CountIn is Count of messages of so many bytes in all.
func (d *Desk) CountIn(to *Flow, messages, bytes int64) {
	if d.counts() {
		to.Add(messages, bytes)
		d.counted()
	}
}

// counts reports whether no earlier process has counted what was noted last.
func (d *Desk) counts() bool { return d == nil || d.at > int(d.head.counted) }

// counted says that this one has.
func (d *Desk) counted() {
	if d != nil {
		d.head.counted = uint32(d.at)
	}
}

// Tells reports, once, whether the request is to be counted: no earlier process did. The answer is known.
func (d *Desk) Tells() bool {
	if d == nil {
		return true
	}
	first := d.head.told == 0
	d.head.told = 1
	return first
}
