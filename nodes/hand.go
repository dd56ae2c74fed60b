package nodes

// hand is what a file has in hand.
type hand struct {
	unit []byte // the last unit
	base int64  // the file offset where it begins
	room []byte // memory of its own for what is in hand
}

// hands is what the file has in hand, which may be nothing. The caller holds f.mu.
func (f *File) hands() *hand {
	if f.hand == nil {
		f.hand = &hand{}
	}
	return f.hand
}

// unitInHand is the unit in hand; nil: there is none. The caller holds f.mu.
func (f *File) unitInHand() []byte {
	if f.hand == nil {
		return nil
	}
	return f.hand.unit
}

// inHand is the part of the unit in hand that a read at off is to get; nil if it wants a new one.
func (f *File) inHand(off int64) []byte {
	if f.how == InOrder {
		off = f.at
	}
	if f.how == ReadText && off == 0 && f.again == 0 {
		return nil
	}
	h := f.hand
	if h == nil {
		return nil
	}
	if at := off - h.base; at >= 0 && at < int64(len(h.unit)) {
		return h.unit[at:]
	}
	return nil
}

// keep takes a unit in hand that begins at a file offset, of which n bytes were read. What was read to its
// end is only kept for those who may seek in it, and if there is no lack of memory.
func (f *File) keep(unit []byte, base int64, n int, inBuf bool) {
	f.letGo()
	if n == len(unit) && (f.how == InOrder || f.again == 0 && f.pays.scarce()) {
		return
	}
	h := f.hands()
	h.base = base
	if !inBuf && cap(unit) <= 2*len(unit) {
		h.unit, f.lent = unit, true
		f.pays.lend(unit)
		return
	}
	had := cap(h.room)
	h.room = append(h.room[:0], unit...)
	h.unit = h.room
	f.pays.add(cap(h.room) - had)
}

// maxRoom is how much memory a file keeps to be used again, in bytes.
const maxRoom = 64 << 10

func (f *File) letGo() {
	h := f.hand
	if h == nil {
		return
	}
	if f.lent {
		f.pays.giveBack(h.unit)
	}
	h.unit, f.lent = nil, false
	if cap(h.room) > maxRoom {
		f.pays.add(-cap(h.room))
		h.room = nil
	}
}
