package nodes

import (
	"sync"

	"github.com/ipcfs/ipcfs/backends"
)

// noting is what an open file needs to write what it keeps into a ledger.
type noting struct {
	ledger *backends.Ledger // nil: into none
	number uint64           // of the open file
	record backends.Record
	step   uint64    // of the work that was saved last
	hand   *lentHand // that the record names; nil: none
	fresh  bool      // nothing was kept when it was saved last, or it was never saved
}

// A draft is room for a record that is written: files have none of their own, as many wait and keep nothing.
type draft struct {
	kept  Kept
	coder Coder
}

var drafts = sync.Pool{New: func() any { return &draft{} }}

// notes are the file's. The caller holds f.mu.
func (f *File) notes() *noting {
	if f.note == nil {
		f.note = &noting{}
	}
	return f.note
}

// A saver is an Endpoint that is told when what its file has read is written down.
type saver interface{ Saved() }

// Lasts has the file keep what it keeps in a ledger, under its number. r is where an earlier process had it.
func (f *File) Lasts(l *backends.Ledger, number uint64, r backends.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.notes()
	n.ledger, n.number, n.record = l, number, r
	n.fresh = r == backends.Record{}
}

// Lives tells the file that it is written down as open.
func (f *File) Lives() {
	if r := f.rare; r != nil && r.lives != nil {
		r.lives()
	}
}

// Ends drops what the ledger has of the file.
func (f *File) Ends() {
	if f.note == nil {
		return
	}
	f.note.ledger.Drop(&f.note.record)
	f.pays.unname(f.note.hand, f.note.ledger)
	f.note.hand = nil
}

// Saved is the number of the work that was saved last.
func (f *File) Saved() uint64 {
	if f.note == nil {
		return 0
	}
	return f.note.step
}

// WorkAt says at which desk the next calls are worked on, until Save.
func (f *File) WorkAt(d *backends.Desk) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.workAt(d)
}

// workAt is WorkAt; nil: at none. The caller holds f.mu.
func (f *File) workAt(d *backends.Desk) {
	if f.note == nil || f.aside() != 0 {
		return
	}
	if end, ok := f.end.(backends.Noter); ok {
		end.Note(d)
	}
}

// Save writes down what the file keeps after a read or write that was worked on at d, if it keeps anything.
// Once it returns, another process goes on from here.
func (f *File) Save(d *backends.Desk) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.workAt(nil)
	if f.lasts() {
		f.save(d, d.Step())
	}
}

// lasts reports whether the file keeps what it keeps in a ledger.
func (f *File) lasts() bool { return f.note != nil && f.note.ledger != nil }

// save is Save, with the number of the work that was saved last. The caller holds f.mu.
func (f *File) save(d *backends.Desk, step uint64) {
	room := drafts.Get().(*draft)
	defer drafts.Put(room)
	k := &room.kept
	f.keepIn(k)
	defer func() { *k = Kept{} }()
	was := f.note.hand
	if f.note.hand = nil; f.lent {
		if f.note.hand = f.pays.name(f.hand.unit, f.note.ledger); f.note.hand != nil {
			k.Hand, k.Lent = nil, f.note.hand.number
		}
	}
	defer f.pays.unname(was, f.note.ledger)
	if k.nothing() && f.note.fresh {
		d.Saves(false)
		return
	}
	d.Saves(true)
	f.note.fresh = k.nothing()
	k.Step = step
	f.note.step = k.Step
	room.coder.b = room.coder.b[:0]
	k.Code(&room.coder)
	f.note.ledger.Put(&f.note.record, backends.KeptRecord, f.note.number, room.coder.b)
	if end, ok := f.end.(saver); ok {
		end.Saved()
	}
}

// nothing reports whether a file that has just been opened keeps the same.
func (k *Kept) nothing() bool {
	return len(k.Hand) == 0 && !k.Begun && !k.more()
}
