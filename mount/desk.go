package mount

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// A session that has a ledger works at desks there, so that another process can go on whenever this one ends
// (backends.Desk). What is done at a desk lies in this order: what went through the kernel, the answer, what
// the open file keeps, the answer for the kernel. Each step says that the one before it was done.

// closing marks the work on the end of an open file, in its number, and returning what goes back by the file.
const (
	closing   = 1 << 62
	returning = 1 << 59
)

// leftBehind is what an earlier process did not finish. Only the start reads it.
type leftBehind struct {
	desks map[uint64]*backends.Desk // by the number of the request
	parts map[uint64]part
}

// part is how much a write has sent that has to wait with the rest.
type part struct {
	done, step uint64
	at         backends.Record
}

func (p *part) code(c *nodes.Coder) {
	nodes.Number(c, &p.done)
	nodes.Number(c, &p.step)
}

// buffer is room for a request or an answer: a desk, if there is a ledger and one is free.
func (s *Session) buffer() *[]byte {
	if d := s.ledger.Desk(); d != nil {
		return d.Room()
	}
	return s.plainBuffer()
}

// plainBuffer is room for what is not worked on at a desk.
func (s *Session) plainBuffer() *[]byte { return s.buffers.Get().(*[]byte) }

func (s *Session) recycle(b *[]byte) {
	if d := s.ledger.DeskOf(*b); d != nil {
		d.Free()
		return
	}
	s.buffers.Put(b)
}

// sit is called when a read or write of an open file begins, or begins anew, at the desk of its answer; nil:
// it has none. The caller holds the gate's lock.
func (o *openFile) sit(answer []byte, request uint64) *backends.Desk {
	d := o.gate.s.ledger.DeskOf(answer)
	if d == nil {
		return nil
	}
	if d.Unique() != request {
		d.Begin(request)
		d.By(o.fh)
	}
	o.file.WorkAt(d)
	return d
}

// rise is called when the read or write has its answer, n bytes of it, or has to wait.
func (o *openFile) rise(d *backends.Desk, n int, err error) {
	if o.gate.s.ledger == nil {
		return
	}
	if err == nil && d != nil {
		d.Saves(true) // before there is an answer
		backends.Point("answering")
		putHeader(*d.Room(), d.Unique(), 0, headerSize+n)
		d.Answers(headerSize + n)
		backends.Point("saving")
	}
	o.file.Save(d)
	backends.Point("saved")
	if nodes.Waits(err) {
		d.Done()
	}
}

// finish does what an open file has left to do when it is closed, at the desk of buf. That work has a number
// of its own: the kernel may have its answer already.
func (o *openFile) finish(buf []byte) error {
	d := o.sit(buf, closing|o.fh)
	err := o.file.Finish()
	if o.gate.s.ledger != nil {
		o.file.Save(d)
		d.Done()
	}
	return err
}

// keepPart notes that n more bytes of a write were sent before it has to wait.
func (w *writing) keepPart(d *backends.Desk, n int) {
	if d == nil || n == 0 {
		return
	}
	p := part{done: uint64(w.done), step: d.Step()}
	var room [2 * binary.MaxVarintLen64]byte // this is done for each few lines of a long write
	w.o.gate.s.ledger.Put(&w.part, backends.PartRecord, w.request, p.in(room[:0]))
}

// in is what code writes, behind b.
func (p *part) in(b []byte) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, p.done), p.step)
}

// resumePart has a write go on behind what an earlier process sent of it.
func (s *Session) resumePart(w *writing) {
	if p, ok := s.left.parts[w.request]; ok {
		delete(s.left.parts, w.request)
		w.done, w.data, w.part = int(p.done), w.data[min(int(p.done), len(w.data)):], p.at
	}
}

// forgets tells requests that have no answer, so that the kernel does not bring them again.
func forgets(req []byte) bool {
	switch as[fuse.InHeader](req).Opcode {
	case opForget, opBatchForget:
		return true
	}
	return false
}

// goOnFromDesks finds what an earlier process left at its desks, and does what the kernel will not ask for
// again.
func (s *Session) goOnFromDesks(out []byte) {
	s.left = leftBehind{map[uint64]*backends.Desk{}, map[uint64]part{}}
	for _, one := range s.tree.Left(backends.PartRecord) {
		p := part{at: one.Record}
		if nodes.Decode(one.Data, p.code) == nil {
			s.left.parts[one.Number] = p
		}
	}
	for _, d := range s.ledger.Unfinished(0) {
		if req := d.Request(); req != nil {
			if !malformed(req) && forgets(req) {
				s.handle(req, out)
			}
			d.Free()
			continue
		}
		if other := s.left.desks[d.Unique()]; other != nil { // it was done once more, at d or there
			if _, step, _, _ := other.Of(); step > d.Step() {
				d, other = other, d
			}
			other.Free()
		}
		s.left.desks[d.Unique()] = d
	}
}

// goOnClosing goes on with what an earlier process was doing for files that were closed, before anybody does
// that once more (TestKilledAtLateClose).
func (s *Session) goOnClosing() {
	for number, d := range s.left.desks {
		o := s.file(number &^ (closing | returning))
		if o == nil {
			continue
		}
		switch _, step, _, _ := d.Of(); {
		case number&returning != 0:
			d.Resume()
			o.giveBack(d)
			delete(s.left.desks, number)
			d.Free()
		case number&closing != 0 && o.file.Saved() != step:
			d.Resume()
			o.gate.mu.Lock()
			_ = o.finish(*d.Room()) // what it could not send is sent when the kernel asks once more
			o.gate.mu.Unlock()
		}
	}
}

// answerAgain takes up what the kernel brings again: first what an earlier process had begun with, then all
// in the order in which it was asked for, and at last the INTERRUPTs, which end what has come to wait by
// then.
func (s *Session) answerAgain(out []byte) {
	list := s.gather()
	asked := map[uint64]bool{}
	for _, req := range list {
		asked[fs.RequestOf(as[fuse.InHeader](req).Unique)] = true
	}
	s.giveBack(asked)
	acts := s.tree.Acts()
	acts.Only(asked)
	begun := func(req []byte) int {
		h := as[fuse.InHeader](req)
		switch number := fs.RequestOf(h.Unique); {
		case h.Opcode == opInterrupt:
			return 2
		case s.left.desks[number] != nil || acts.Left(number):
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b []byte) int {
		return cmp.Or(cmp.Compare(begun(a), begun(b)),
			cmp.Compare(fs.RequestOf(as[fuse.InHeader](a).Unique), fs.RequestOf(as[fuse.InHeader](b).Unique)))
	})
	for _, req := range list {
		if h := as[fuse.InHeader](req); h.Unique == fs.RequestOf(h.Unique) {
			s.requests.Add(1) // the others are counted already
		}
		d := s.left.desks[fs.RequestOf(as[fuse.InHeader](req).Unique)]
		delete(s.left.desks, fs.RequestOf(as[fuse.InHeader](req).Unique))
		if d == nil {
			s.handle(req, out)
			continue
		}
		s.finish(req, d, out)
		d.Free()
	}
	var opens []*backends.Desk
	for number, d := range s.left.desks { // its request has its answer, or nobody waits for one any more
		if _, ok := s.tree.OpenedIn(number); ok {
			opens = append(opens, d)
			continue
		}
		d.Free()
	}
	if len(opens) > 0 {
		go s.openForNobody(opens)
	}
	for _, p := range s.left.parts {
		s.ledger.Drop(&p.at)
	}
	s.left = leftBehind{}
	s.tree.Settled()
}

// openForNobody closes files whose open(2) had no answer when the worker was killed, and does not come again,
// as its caller was killed, too. Whether it had is not known: if so, the kernel has the file open, and with
// that its node. So it is told to forget the name, and is asked for the node. Where the kernel knows that
// still, the file stays. Until then the desks stay as they were, for another process that goes on.
func (s *Session) openForNobody(opens []*backends.Desk) {
	for _, d := range opens {
		if at, ok := s.tree.OpenedIn(d.Unique()); ok && at.Parent != 0 {
			if s.sayDrop(drop{at.Parent, at.Name}); !s.knows(at.Node) {
				s.tree.Release(nil, &fuse.ReleaseIn{Fh: at.Fh})
				s.tree.Commit()
			}
		}
		d.Free()
	}
}

// giveBack returns messages to where they are from that an earlier process received for somebody who was
// killed since, and had not answered with.
func (s *Session) giveBack(asked map[uint64]bool) {
	for request, d := range s.left.desks {
		_, _, answer, _ := d.Of()
		o := s.file(d.File())
		if asked[request] || answer > 0 || request&(closing|returning) != 0 || o == nil {
			continue
		}
		d.Resume()
		o.gate.mu.Lock()
		o.file.TakeBack(d)
		o.gate.mu.Unlock()
		backends.Point("taken back")
		delete(s.left.desks, request) // a process that goes on from here does not return them once more
		d.Free()
		if d = s.ledger.Desk(); d != nil {
			d.Begin(returning | o.fh)
			o.giveBack(d)
			d.Free()
		}
	}
}

// giveBack returns what goes back by the file, at a desk.
func (o *openFile) giveBack(d *backends.Desk) {
	o.gate.mu.Lock()
	defer o.gate.mu.Unlock()
	o.file.GiveBack(d)
	backends.Point("given back")
}

// gather reads what the kernel brings again. It has put that before what is new (fuse_chan_resend), but for
// FORGET and INTERRUPT, which come between: so there is no more of it when nothing is left, or something new
// came.
func (s *Session) gather() (list [][]byte) {
	if err := unix.SetNonblock(s.dev.fd, true); err != nil {
		s.log.Error("cannot look for requests without an answer", "err", err)
		return nil
	}
	defer func() { _ = unix.SetNonblock(s.dev.fd, false) }()
	in := s.plainBuffer()
	defer s.buffers.Put(in)
	for {
		n, err := s.dev.tryRead(*in)
		if err != nil {
			return list // there are no more, or the leader meets it too
		}
		req := bytes.Clone((*in)[:n])
		if malformed(req) {
			continue
		}
		list = append(list, req)
		h := as[fuse.InHeader](req)
		if h.Unique == fs.RequestOf(h.Unique) && !forgets(req) && h.Opcode != opInterrupt {
			return list
		}
	}
}

// finish answers a request that an earlier process had begun with at d.
func (s *Session) finish(req []byte, d *backends.Desk, out []byte) {
	_, step, n, saves := d.Of()
	h := as[fuse.InHeader](req)
	moves := s.moves(req)
	saved := moves != nil && moves.file.Saved() == step || s.left.parts[d.Unique()].step == step
	switch {
	case n > 0 && (saved || !saves):
		answer := (*d.Room())[:n]
		as[fuse.OutHeader](answer).Unique = h.Unique
		if moves != nil {
			moves.countAgain(h, answer)
		}
		s.send(answer)
	case moves != nil && !saved:
		d.Resume()
		s.handle(req, *d.Room())
	default:
		s.handle(req, out)
	}
}
