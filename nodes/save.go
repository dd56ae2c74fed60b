package nodes

import (
	"github.com/ipcfs/ipcfs/backends"
)

// noting is what an open file needs to write what it keeps into a ledger.
type noting struct {
	ledger *backends.Ledger // nil: into none
	number uint64           // of the open file
	record backends.Record
	end    backends.Noter // of the file; nil: nothing that it moves is noted
	coder  Coder
	kept   Kept
	step   uint64    // of the work that was saved last
	hand   *lentHand // that the record names; nil: none
	fresh  bool      // nothing was kept when it was saved last, or it was never saved
}

// A saver is an Endpoint that is told when what its file has read is written down.
type saver interface{ Saved() }

// Lasts has the file keep what it keeps in a ledger, under its number. r is where an earlier process had it.
func (f *File) Lasts(l *backends.Ledger, number uint64, r backends.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note.ledger, f.note.number, f.note.record = l, number, r
	f.note.end, _ = f.end.(backends.Noter)
	f.note.fresh = r == backends.Record{}
}

// A liver is an Endpoint that is told when its file is written down as open, until which it is nobody's.
type liver interface{ Lives() }

// Lives tells the file that it is written down as open.
func (f *File) Lives() {
	if end, ok := f.end.(liver); ok {
		end.Lives()
	}
}

// Ends drops what the ledger has of the file.
func (f *File) Ends() {
	f.note.ledger.Drop(&f.note.record)
	f.pays.unname(f.note.hand, f.note.ledger)
	f.note.hand = nil
}

// Saved is the number of the work that was saved last.
func (f *File) Saved() uint64 { return f.note.step }

// WorkAt says at which desk the next calls are worked on; nil: at none.
func (f *File) WorkAt(d *backends.Desk) {
	f.mu.Lock()
	end := f.note.end
	f.mu.Unlock()
	if end != nil && f.aside == 0 {
		end.Note(d)
	}
}

// Save writes down what the file keeps after a read or write that is worked on at d, if it keeps anything. Once
// it returns, another process goes on from here.
func (f *File) Save(d *backends.Desk) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.note.ledger == nil || f.errand != nil {
		return // with an errand it saves when that is over
	}
	f.save(d, d.Step())
}

// save is Save, with the number of the work that was saved last. The caller holds f.mu.
func (f *File) save(d *backends.Desk, step uint64) {
	k := &f.note.kept
	f.keepIn(k)
	was := f.note.hand
	if f.note.hand = nil; f.lent {
		if f.note.hand = f.pays.name(f.hand, f.note.ledger); f.note.hand != nil {
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
	f.note.coder.b = f.note.coder.b[:0]
	k.Code(&f.note.coder)
	f.note.ledger.Put(&f.note.record, backends.KeptRecord, f.note.number, f.note.coder.b)
	if end, ok := f.end.(saver); ok {
		end.Saved()
	}
}

// nothing reports whether a file that has just been opened keeps the same.
func (k *Kept) nothing() bool {
	return len(k.Hand) == 0 && !k.Begun && !k.more()
}
