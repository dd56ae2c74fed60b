package backends

import (
	"bytes"
	"encoding/binary"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// FuzzLedger: whatever lies where the records and the desks of an earlier process are, each is something that
// this one can go on from, or is dropped.
func FuzzLedger(f *testing.F) {
	sizes := []int{0, 5, slotSizes - 1} // of the slots that are damaged
	whole, next := ledgers(f)
	whole.Each(nil)
	var a, b Record
	whole.Put(&a, NodeRecord, 1, []byte("a record"))
	whole.Put(&b, TopicRecord, 2, make([]byte, 2000))
	d := whole.Desk()
	d.Begin(8)
	d.Got(append((*d.Room())[:0], "received"...), Meta{Prio: 3})
	d.Sent(9)
	tray, prio := d.Tray(64)
	copy(tray, "on the tray")
	*prio = 1
	head := func(l *Ledger) []byte { return l.mem[desksBegin : desksBegin+deskNotes+256] }
	slot := func(l *Ledger, size int) []byte {
		at := slotsBegin + size*sizeRoom
		return l.mem[at : at+slotHeader+8]
	}
	seed := append([]byte(nil), head(whole)...)
	for _, size := range sizes {
		seed = append(seed, slot(whole, size)...)
	}
	f.Add(seed)
	const note, length = deskNotes, deskNotes + 256 + 16
	for at, with := range map[uintptr]uint32{
		unsafe.Offsetof(deskHead{}.notes): uint32(maxNotes) + 1, unsafe.Offsetof(deskHead{}.answer): DeskBytes + 1,
		unsafe.Offsetof(deskHead{}.unit): 1 << 30, note: 1 << 31, note + 4: 1 << 31, length: 1 << 31,
	} {
		damaged := bytes.Clone(seed)
		binary.NativeEndian.PutUint32(damaged[at:], with)
		f.Add(damaged)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l := next()
		defer unmap(t, l)
		*l.word(wordDesks) = 1
		b = b[copy(head(l), b):]
		for _, size := range sizes {
			*l.word(usedWords + 8*uint64(size)) = smallest << size
			b = b[copy(slot(l, size), b):]
		}
		l = next()
		defer unmap(t, l)
		sum := 0
		l.Each(func(_ uint32, _ uint64, data []byte, r Record) {
			if len(data) > smallest<<(slotSizes-1) {
				t.Fatalf("a record of %d bytes", len(data))
			}
			for i := 0; i < len(data); i += 4096 {
				sum += int(data[i])
			}
			l.Put(&r, NodeRecord, 3, []byte("another"))
			l.Drop(&r)
		})
		p := make([]byte, DeskBytes)
		for _, d := range l.Unfinished(0) {
			_, _, n, _ := d.Of()
			sum += len((*d.Room())[:n]) + len(d.Request())
			d.Resume()
			for received := true; received; {
				_, _, received = d.Again(p)
				sum += len(d.From())
			}
			d.SentAgain()
			d.Free()
		}
		if d := l.Desk(); d == nil || d.Unique() != 0 {
			t.Error("no desk is free")
		}
	})
}

// unmap takes the addresses of a ledger back, and its descriptor if it was not asked for what is there.
func unmap(t *testing.T, l *Ledger) {
	if l.fd >= 0 {
		_ = unix.Close(l.fd)
	}
	_, _, errno := unix.Syscall(unix.SYS_MUNMAP, uintptr(unsafe.Pointer(&l.mem[0])), LedgerBytes, 0)
	if errno != 0 {
		t.Error(errno)
	}
}
