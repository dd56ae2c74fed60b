package backends

import (
	"bytes"
	"unsafe"

	"golang.org/x/sys/unix"
)

// How a desk notes what sockets move. The kernel itself writes there how much that was, in the system call
// that moves it (recvmmsg(2) and sendmmsg(2) of one message). SIGKILL cuts no system call short that does not
// wait, so whenever this process is killed, another one knows what was done.

// mmsghdr is struct mmsghdr, with addresses as numbers: those of the process that makes the call.
type mmsghdr struct {
	name                uintptr
	nameLen             uint32
	_                   uint32
	vec                 uintptr
	vecs                uint64
	control, controlLen uint64
	flags               int32
	_                   uint32
	n                   uint32 // how many bytes were moved, once the kernel has written it
	_                   uint32
	one                 struct { // the only vector
		base uintptr
		n    uint64
	}
}

const (
	callFrom    = 1024 // where in the desk the arguments of the call are,
	nameFrom    = 1280 // an address,
	tableFrom   = 1536 // and the addresses of messages that are noted
	addressRoom = unix.SizeofSockaddrInet6
	maxAddress  = (deskNotes - tableFrom) / addressRoom
	notMoved    = 1<<32 - 1
)

func (d *Desk) bytes(at, n int) []byte {
	at += desksBegin + d.n*deskRoom
	return d.l.mem[at : at+n : at+n]
}

func (d *Desk) call() *mmsghdr { return (*mmsghdr)(unsafe.Pointer(&d.bytes(callFrom, 1)[0])) }

// Has reports whether p is memory of the desk, so that Receive can receive to it.
func (d *Desk) Has(p []byte) bool { return d != nil && len(p) > 0 && d.offset(p) < deskRoom }

// Receive is recv(2) to p, which is memory of the desk, without waiting. The address that the message is
// from, if it has one of the internet, is what From says next.
func (d *Desk) Receive(fd int, p []byte) (int, error) {
	c := d.call()
	*c = mmsghdr{name: address(d.bytes(nameFrom, addressRoom)), nameLen: addressRoom}
	n, err := d.move(unix.SYS_RECVMMSG, fd, c, p, uint32(d.offset(p)), unix.MSG_DONTWAIT)
	if err == nil {
		d.at, d.left = int(d.head.notes), int(d.head.notes)
	}
	return n, err
}

// Send is send(2) without waiting, or sendto(2) an address, if there is one.
func (d *Desk) Send(fd int, p, to []byte) (int, error) {
	if d.l.DeskOf(p) == nil { // it is memory that Go knows, and the kernel is given a number
		p = d.bytes(spareFrom, copy(d.Spare(), p))
	}
	c := d.call()
	*c = mmsghdr{}
	if len(to) > 0 {
		c.nameLen = uint32(copy(d.bytes(nameFrom, addressRoom), to))
		c.name = address(d.bytes(nameFrom, addressRoom))
	}
	n, err := d.move(unix.SYS_SENDMMSG, fd, c, p, 0, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	if err == nil {
		d.at, d.left = int(d.head.notes), int(d.head.notes)
	}
	return n, err
}

// move makes the call, and notes what it did.
func (d *Desk) move(call uintptr, fd int, c *mmsghdr, p []byte, at uint32, flags uintptr) (int, error) {
	h := d.head
	c.vecs, c.n = 1, notMoved
	if c.one.n = uint64(len(p)); len(p) > 0 {
		c.one.base = address(p)
	}
	c.vec = uintptr(unsafe.Pointer(&c.one))
	h.moveAt, h.moveNotes = at, h.notes
	h.moves = 1
	Point("moving")
	_, _, errno := unix.Syscall6(call, uintptr(fd), uintptr(unsafe.Pointer(c)), 1, flags, 0, 0)
	Point("moved")
	if errno != 0 {
		h.moves = 0
		return 0, errno
	}
	n := int(c.n)
	d.noteCall()
	Point("noted moved")
	return n, nil
}

// noteCall notes what the call has moved.
func (d *Desk) noteCall() {
	h, c := d.head, d.call()
	note := deskNote{at: h.moveAt, n: c.n}
	if h.moveAt != 0 && c.nameLen >= unix.SizeofSockaddrInet4 && c.nameLen <= addressRoom {
		note.from = d.addressOf(d.bytes(nameFrom, int(c.nameLen)))
	}
	d.all[h.notes] = note
	h.notes++
	h.moves = 0
}

// addressOf is the number of an address in the desk's table. FullOfAddresses was asked before.
func (d *Desk) addressOf(raw []byte) uint32 {
	h := d.head
	var one [addressRoom]byte
	copy(one[:], raw)
	if n := int(h.addresses); n > 0 && bytes.Equal(d.address(n), one[:]) {
		return h.addresses
	}
	if h.addresses == maxAddress {
		return 0
	}
	h.addresses++
	copy(d.address(int(h.addresses)), one[:])
	return h.addresses
}

func (d *Desk) address(n int) []byte { return d.bytes(tableFrom+(n-1)*addressRoom, addressRoom) }

// FullOfAddresses reports whether there is no room for one more address.
func (d *Desk) FullOfAddresses() bool { return d != nil && d.head.addresses == maxAddress }

// From is the address that the message was from which Receive or Again gave last, as the kernel has it; nil:
// none.
func (d *Desk) From() []byte {
	if d == nil || d.at == 0 || d.all[d.at-1].from == 0 {
		return nil
	}
	return d.address(int(d.all[d.at-1].from))
}

// fromCall notes what a call has moved that was not noted.
func (d *Desk) fromCall() {
	if d.head.moves != 0 && !d.Full() && d.head.moveNotes == d.head.notes && d.call().n != notMoved {
		d.noteCall()
	}
	d.head.moves = 0
}

// address is where p is, which is memory of a ledger: it stays there.
func address(p []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(p))) }
