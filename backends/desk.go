package backends

import (
	"slices"
	"unsafe"
)

// A Desk is a place in a ledger where one request at a time is worked on. It has room for an answer, and
// keeps a note of each message that went through the kernel meanwhile. A process that goes on from the ledger
// does what was not finished once more: messages that were received come from the desk then, and those that
// were sent are not sent again (Again, SentAgain). A nil Desk keeps nothing. It is for one goroutine at a
// time.
type Desk struct {
	l    *Ledger
	n    int
	head *deskHead
	room *[]byte
	all  []deskNote // room for notes
	at   int        // of the notes that an earlier process left, the next
	left int        // how many it left

	resumed bool // an earlier process has begun the work
}

type deskHead struct {
	unique uint64 // of the request that is worked on; 0: none
	step   uint64 // another one for each Begin of all desks
	file   uint64 // by which open file it came; 0: it is no read or write
	notes  uint32
	saves  bool   // what the file keeps is written, with the step, before the answer is
	answer uint32 // bytes of the answer, once it stands there
	reads  uint32 // 1: requests are read into it; 2: and the one that is there was begun
	sends  uint32 // one more than there are notes: a message is being sent
	prio   uint32 // of the message that was received last, once the kernel has written it
	expect uint32 // how many notes there were when it was asked for one
	unit   uint32 // how long that could be
	clean  uint32 // bytes of the tray that hold nothing
	typed  uint32 // 1: the tray is a struct msgbuf (msgop(2))
	queued uint32 // how many messages the queue had before this one

	moves     uint32 // 1: a system call of a socket is made (Desk.Receive)
	moveAt    uint32 // where in the desk it receives to; 0: it sends
	moveNotes uint32 // how many notes there were before it
	addresses uint32 // how many of the addresses are in use

	counted uint32 // of how many notes there is a count (Desk.Count)
	told    uint32 // 1: the request is counted (Desk.Tells)

	queue  uint64 // to which a message is being sent (Desk.SendsTo)
	length uint32 // its bytes
	mark   uint32 // and what the queue is marked by
}

// deskNote is a message that was received into the desk, or how much was sent.
type deskNote struct {
	at, n uint32 // where in the desk's room it begins, its length
	prio  uint32
	from  uint32 // which address of the desk it has, from 1; 0: none
	typ   int64
}

const (
	maxDesks  = 1024
	deskRoom  = 8 << 20 // bytes of addresses
	deskNotes = 4096    // where notes begin
	deskBytes = 1 << 20 // where the room for an answer begins,
	spareFrom = 5 << 19 // and for messages that are framed,
	trayFrom  = 4 << 20 // and where the kernel puts a message
	noPrio    = 1<<32 - 1
	// DeskBytes is the room for an answer or a request.
	DeskBytes = 1<<20 + 4096
	maxNotes  = (deskBytes - deskNotes) / int(unsafe.Sizeof(deskNote{}))
)

// Desk takes a desk; nil: all are in use.
func (l *Ledger) Desk() *Desk {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.spare); n > 0 {
		d := l.spare[n-1]
		l.spare = l.spare[:n-1]
		return d
	}
	n := *l.word(wordDesks)
	if n == maxDesks {
		return nil
	}
	*l.word(wordDesks) = n + 1
	return l.desk(int(n))
}

func (l *Ledger) desk(n int) *Desk {
	d := &l.desks[n]
	at := desksBegin + n*deskRoom
	*d = Desk{l: l, n: n, head: (*deskHead)(unsafe.Pointer(&l.mem[at]))}
	room := l.mem[at+deskBytes : at+deskBytes+DeskBytes : at+deskBytes+DeskBytes]
	d.room = &room
	d.all = unsafe.Slice((*deskNote)(unsafe.Pointer(&l.mem[at+deskNotes])), maxNotes)
	return d
}

// oldDesks finds the desks of an earlier process. Those where work was not finished are Unfinished.
func (l *Ledger) oldDesks() {
	l.sending = map[*Desk]uint64{}
	for n := range int(min(*l.word(wordDesks), maxDesks)) {
		d := l.desk(n)
		if d.sound() && (d.head.unique != 0 || d.Request() != nil) {
			l.old = append(l.old, d)
			if d.head.unique != 0 && d.sending() {
				l.sending[d] = d.head.queue
			}
			continue
		}
		*d.head = deskHead{}
		l.spare = append(l.spare, d)
	}
}

// sound reports whether all that the desk's head and notes tell of lies in the desk.
func (d *Desk) sound() bool {
	h := d.head
	if h.notes > uint32(len(d.all)) || h.answer > DeskBytes || h.unit > DeskBytes || h.typed > 1 ||
		h.moveAt >= deskRoom || h.addresses > maxAddress || d.call().n != notMoved && d.call().n > deskRoom-h.moveAt {
		return false
	}
	for _, note := range d.all[:h.notes] {
		if note.at > deskRoom || note.n > deskRoom-note.at || note.from > h.addresses {
			return false
		}
	}
	return true
}

// Unfinished are the desks where an earlier process left work whose number has some of these bits. 0: those
// that are left then. They are the caller's to free.
func (l *Ledger) Unfinished(bits uint64) (list []*Desk) {
	if l == nil {
		return nil
	}
	l.old = slices.DeleteFunc(l.old, func(d *Desk) bool {
		ours := bits == 0 || d.head.unique&bits != 0
		if ours {
			list = append(list, d)
		}
		return ours
	})
	return list
}

// Free gives the desk up.
func (d *Desk) Free() {
	d.l.mu.Lock()
	defer d.l.mu.Unlock()
	delete(d.l.sending, d)
	*d.head = deskHead{}
	d.anew()
	d.l.spare = append(d.l.spare, d)
}

// Room is where an answer, or a request, is made.
func (d *Desk) Room() *[]byte { return d.room }

// Spare is room for messages that go into an answer in another form.
func (d *Desk) Spare() []byte {
	if d == nil {
		return nil
	}
	at := desksBegin + d.n*deskRoom
	return d.l.mem[at+spareFrom : at+trayFrom : at+trayFrom]
}

// DeskOf is the desk in whose room b begins; nil: b is other memory.
func (l *Ledger) DeskOf(b []byte) *Desk {
	if l == nil {
		return nil
	}
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b))) - l.base - desksBegin
	if at >= maxDesks*deskRoom {
		return nil
	}
	return &l.desks[at/deskRoom]
}

// Reads says that a request is about to be read into the desk. A process that goes on finds it there, until
// Begun.
func (d *Desk) Reads() {
	if d != nil {
		*(*uint32)(unsafe.Pointer(&(*d.room)[0])) = 0
		d.head.reads = 1
	}
}

// Begun says that work on the request has begun.
func (d *Desk) Begun() {
	if d != nil {
		d.head.reads = 2
	}
}

// Request is a request that an earlier process read and did not begin with; nil: there is none.
func (d *Desk) Request() []byte {
	if n := *(*uint32)(unsafe.Pointer(&(*d.room)[0])); d.head.reads == 1 && n > 0 && n <= DeskBytes {
		return (*d.room)[:n]
	}
	return nil
}

// Begin is called when work on a request begins, or begins anew.
func (d *Desk) Begin(unique uint64) {
	if d == nil {
		return
	}
	h := d.head
	h.unique = 0
	h.notes, h.saves, h.answer, h.sends, h.unit, h.file = 0, false, 0, 0, 0, 0
	h.typed, h.queued, h.moves, h.addresses, h.counted, h.told, h.queue = 0, 0, 0, 0, 0, 0, 0
	h.step = d.l.Number()
	h.unique = unique
	d.anew()
}

// anew forgets what is known of work that an earlier process had begun here.
func (d *Desk) anew() { d.at, d.left, d.resumed = 0, 0, false }

// Unique is the request that is worked on; 0: none.
func (d *Desk) Unique() uint64 {
	if d == nil {
		return 0
	}
	return d.head.unique
}

// Resume is Begin of work that an earlier process did not finish.
func (d *Desk) Resume() {
	d.fromTray()
	d.fromCall()
	d.at, d.left = 0, int(d.head.notes)
	d.resumed = true
}

// Resumed reports whether an earlier process has begun the work.
func (d *Desk) Resumed() bool { return d != nil && d.resumed }

// Step is the number of the work now; 0: there is no desk.
func (d *Desk) Step() uint64 {
	if d == nil {
		return 0
	}
	return d.head.step
}

// Work is a number of its own for the next message that is sent; 0: there is no desk.
func (d *Desk) Work() uint64 {
	if d == nil {
		return 0
	}
	return d.head.step<<workBits | uint64(d.head.notes)
}

// workBits are those of a count of notes.
const workBits = 20

// By notes by which open file the request came, or another number of whoever has begun the work.
func (d *Desk) By(file uint64) {
	if d != nil {
		d.head.file = file
	}
}

// File is what By noted; 0: nothing yet.
func (d *Desk) File() uint64 {
	if d == nil {
		return 0
	}
	return d.head.file
}

// Of tells what an earlier process left: the request, the number of the work, the length of the answer if it
// stands in the room, and whether it counts only if what its file keeps has that number too.
func (d *Desk) Of() (unique, step uint64, answer int, saves bool) {
	return d.head.unique, d.head.step, int(d.head.answer), d.head.saves
}

// Saves says whether what a file keeps is about to be written with the number of the work. Until it is, no
// answer counts.
func (d *Desk) Saves(will bool) {
	if d != nil {
		d.head.saves = will
	}
}

// Answers says that the answer stands in the room, n bytes of it.
func (d *Desk) Answers(n int) {
	if d != nil {
		d.head.answer = uint32(n)
	}
}

// Done says that the request has its answer.
func (d *Desk) Done() {
	if d != nil {
		d.head.unique = 0
	}
}

// Full reports whether there is no room for one more note.
func (d *Desk) Full() bool { return d != nil && int(d.head.notes) == len(d.all) }

// Got notes that a message was received to p. It is not noted unless that is in the desk.
func (d *Desk) Got(p []byte, m Meta) {
	if d == nil {
		return
	}
	at := d.offset(p)
	if at >= deskRoom {
		return
	}
	d.all[d.head.notes] = deskNote{at: uint32(at), n: uint32(len(p)), prio: m.Prio, typ: int64(m.Type)}
	d.head.notes++
	d.at, d.left = int(d.head.notes), int(d.head.notes)
}

// Sent notes that n bytes were sent.
func (d *Desk) Sent(n int) {
	if d == nil {
		return
	}
	d.all[d.head.notes] = deskNote{n: uint32(n)}
	d.head.notes++
	d.head.sends = 0
	d.at, d.left = int(d.head.notes), int(d.head.notes)
}

// Again gives the next message that an earlier process received for this request.
func (d *Desk) Again(p []byte) (n int, m Meta, ok bool) {
	if d == nil || d.at == d.left {
		return 0, m, false
	}
	note := d.all[d.at]
	d.at++
	at := desksBegin + d.n*deskRoom + int(note.at)
	n = copy(p, d.l.mem[at:at+int(note.n)])
	if note.at >= trayFrom {
		if off := d.offset(p); off < deskRoom {
			d.all[d.at-1].at = uint32(off)
			fill(d.l.mem[at-d.head.front():at+n], d.l.blank())
		}
	}
	return n, Meta{Prio: note.prio, Type: int(note.typ)}, true
}

// Back is Again of a message that is to go back to where it is from: what was sent is left out.
func (d *Desk) Back(p []byte) (n int, m Meta, ok bool) {
	for d != nil && d.at < d.left && d.all[d.at].at == 0 {
		d.at++
	}
	return d.Again(p)
}

// offset is where in the desk p begins; deskRoom or more: elsewhere.
func (d *Desk) offset(p []byte) uintptr {
	return uintptr(unsafe.Pointer(unsafe.SliceData(p))) - d.l.base - desksBegin - uintptr(d.n)*deskRoom
}

// SentAgain gives what the next send sent, which an earlier process made for this request.
func (d *Desk) SentAgain() (n int, ok bool) {
	if d == nil || d.at == d.left {
		return 0, false
	}
	d.at++
	return int(d.all[d.at-1].n), true
}

// A Noter is an Endpoint that notes on a desk what goes through the kernel. One open file has it.
type Noter interface {
	// Note says at which desk it is worked now; nil: at none.
	Note(*Desk)
	// Shared is what all who have the object open wait for.
	Shared() Endpoint
}

// AtDesk is the Note of a Noter: it has the desk at which it is worked now, nil for none.
type AtDesk struct{ Desk *Desk }

// Note is Noter.Note.
func (a *AtDesk) Note(d *Desk) { a.Desk = d }

// Shared is the Endpoint that all who have an object open share.
func Shared(end Endpoint) Endpoint {
	if n, ok := end.(Noter); ok {
		return n.Shared()
	}
	return end
}
