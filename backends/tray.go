package backends

import (
	"encoding/binary"
	"unsafe"
)

// Tray is where the kernel is to put the next message, of n bytes at most, and its priority. A process that
// goes on finds a message that lies there: whenever this one is killed, the kernel ends the system call
// first, and nobody sees what it returns. How long it is shows by what is on the tray otherwise, which no
// text ends in. nil: there is none. Took is called next, if the kernel has put one there.
func (d *Desk) Tray(n int) (p []byte, prio *uint32) {
	if d == nil || n > DeskBytes {
		return nil, nil
	}
	h := d.head
	at := desksBegin + d.n*deskRoom + trayFrom
	if int(h.clean) < n {
		fill(d.l.mem[at+int(h.clean):at+n], d.l.blank())
		h.clean = uint32(n)
	}
	h.unit, h.expect, h.typed = uint32(n), h.notes, 0
	h.prio = noPrio
	return d.l.mem[at : at+n : at+n], &h.prio
}

// TypedTray is Tray of a struct msgbuf (msgop(2)), with room for n bytes behind the type. It is for Took,
// too.
func (d *Desk) TypedTray(n int) []byte {
	tray, _ := d.Tray(typeSize + n)
	if tray != nil {
		d.head.typed = 1
	}
	return tray
}

// typeSize is that of the type in a struct msgbuf.
const typeSize = int(unsafe.Sizeof(int(0)))

// front is how much on the tray is before the message.
func (h *deskHead) front() int { return int(h.typed) * typeSize }

// fill has all bytes of p be one: the first few by words, and what is longer by copies of what is filled
// already.
func fill(p []byte, with byte) {
	const few = 128
	word := uint64(with) * 0x0101010101010101
	n := 0
	for ; n+8 <= min(few, len(p)); n += 8 {
		binary.NativeEndian.PutUint64(p[n:], word)
	}
	if len(p) < few {
		for ; n < len(p); n++ {
			p[n] = with
		}
	}
	for ; n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
}

// blank is what is on a tray where no message is.
func (l *Ledger) blank() byte { return byte(0xf8 | *l.word(wordBlank)&7) }

// Took takes the message of n bytes from the tray to p.
func (d *Desk) Took(p []byte, n int, m Meta) {
	at, front := desksBegin+d.n*deskRoom+trayFrom, d.head.front()
	tray := d.l.mem[at : at+front+n]
	copy(p, tray[front:])
	d.Got(p[:n], m)
	fill(tray, d.l.blank())
	d.head.prio = noPrio
}

// fromTray notes a message that lies on the tray, and was not noted.
func (d *Desk) fromTray() {
	h := d.head
	if h.unit == 0 || h.expect != h.notes || d.Full() {
		return
	}
	at, front := desksBegin+d.n*deskRoom+trayFrom, h.front()
	tray := d.l.mem[at : at+int(h.unit)]
	note := deskNote{at: trayFrom + uint32(front), prio: h.prio}
	if front > 0 {
		note.prio, note.typ = 0, int64(*(*int)(unsafe.Pointer(&tray[0])))
	}
	if front > 0 && note.typ <= 0 || front == 0 && h.prio == noPrio {
		return // blank
	}
	n := len(tray)
	for n > front && tray[n-1] == d.l.blank() {
		n--
	}
	note.n = uint32(n - front)
	d.all[h.notes] = note
	h.notes++
}
