package nodes

import (
	"bytes"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/socket"
)

// Kept is what an open file keeps between two calls. It is plain data, with which the file goes on when it
// was opened again in another process (File.Resume). An empty field says that there is nothing of the kind.
type Kept struct {
	Hand     []byte // the last unit,
	Lent     uint64 // or the number by which that is in the ledger for itself,
	Base, At int64  // the file offset where it begins, and where the next read is expected
	Begun    bool   // a text was read
	Again    int    // how often a text may be read again from its beginning

	Groups []uint32 // of the caller when the file was opened, if it remembers them
	Knows  bool     // it does

	Pending []byte        // what was written in part
	Refused bool          // it got too long; of a lease: it is to go back
	Holds   bool          // a message was taken and is held,
	Held    []byte        // which is this,
	Meta    backends.Meta // with what it carries
	Had     bool          // the one message was given
	Until   int64         // how long a read waits, in nanoseconds since 1970; 0: for ever
	Ended   bool          // the end is to be told
	Ends    int64         // how many ends of its queue were before

	Back  []backends.Message // what is to go back to its queue
	Moved uint64             // the work that has last put something there, or returned it

	Lease string // the record of a message that is out,
	Past  bool   // which is done, as its reader reads on

	Truncated, Wrote bool // opened with O_TRUNC; written to since

	Shown bool // a text was read, or waited for,
	Sum   sum  // of which this is the sum,
	Bytes int  // and the length

	Place backends.Place // of a reader of a topic

	Conn socket.State // of a connection

	Step uint64 // of the work after which this was so (backends.Desk)
}

// more reports whether it keeps anything but the message in hand.
func (k *Kept) more() bool {
	return k.Knows || len(k.Pending) > 0 || len(k.Back) > 0 || k.Moved != 0 || k.Lent != 0 || k.Refused || k.Holds ||
		k.Had || k.Again != 0 || k.Until != 0 || k.Ended || k.Ends != 0 || k.Lease != "" || k.Truncated || k.Wrote ||
		k.Shown || k.Place != backends.Place{} || k.Conn != socket.State{}
}

// Code writes or reads it.
func (k *Kept) Code(c *Coder) {
	Number(c, &k.Step)
	c.Bytes(&k.Hand)
	Number(c, &k.Base)
	Number(c, &k.At)
	c.Flag(&k.Begun)
	more := k.more()
	if c.Flag(&more); !more {
		return
	}
	Each(c, &k.Groups, func(gid *uint32) { Number(c, gid) })
	c.Flag(&k.Knows)
	c.Bytes(&k.Pending)
	c.Flag(&k.Refused)
	c.Flag(&k.Holds)
	c.Bytes(&k.Held)
	codeMeta(c, &k.Meta)
	Each(c, &k.Back, func(m *backends.Message) {
		c.Bytes(&m.Data)
		codeMeta(c, &m.Meta)
	})
	Number(c, &k.Moved)
	Number(c, &k.Lent)
	c.Flag(&k.Had)
	Number(c, &k.Until)
	c.Flag(&k.Ended)
	Number(c, &k.Ends)
	c.Text(&k.Lease)
	c.Flag(&k.Past)
	c.Flag(&k.Truncated)
	c.Flag(&k.Wrote)
	Number(c, &k.Again)
	if c.Flag(&k.Shown); k.Shown {
		one := k.Sum[:]
		if c.Bytes(&one); len(one) != len(k.Sum) {
			c.Refuse()
		}
		copy(k.Sum[:], one)
		Number(c, &k.Bytes)
	}
	p := &k.Place
	for _, n := range []*uint64{&p.Next, &p.Seen, &p.Skipped, &p.Gaps, &p.Before, &p.Got, &p.Bytes} {
		Number(c, n)
	}
	c.Flag(&k.Place.Cut)
	codeConn(c, &k.Conn)
	if !k.more() {
		c.Refuse() // it has another form
	}
}

func codeConn(c *Coder, st *socket.State) {
	Number(c, &st.Number)
	c.Flag(&st.Taken)
	c.Flag(&st.Dials)
	Number(c, &st.Late)
	c.Flag(&st.Shut)
	Number(c, &st.Owed)
}

func codeMeta(c *Coder, m *backends.Meta) {
	Number(c, &m.Prio)
	c.Text(&m.From)
	Number(c, &m.Type)
	Number(c, &m.Seq)
	Number(c, &m.Lost)
	c.Text(&m.Topic)
	Number(c, &m.Work)
}

// A carrier is a face that keeps something between two calls. keep notes it, in memory that the face goes on
// to use, and resume takes it up, right after the file was opened again.
type carrier interface {
	keep(end backends.Endpoint, k *Kept)
	resume(end backends.Endpoint, k *Kept)
}

// Keep is what the file keeps. No call of it may be on its way.
func (f *File) Keep() Kept {
	f.mu.Lock()
	defer f.mu.Unlock()
	var k Kept
	f.keepIn(&k)
	k.Hand, k.Pending, k.Held = bytes.Clone(k.Hand), bytes.Clone(k.Pending), bytes.Clone(k.Held)
	return k
}

// keepIn is Keep in k, which is empty. It is done for each message of a file that has a ledger. While a
// worker calls the face, another process is to make that call again: the face keeps what it did before.
func (f *File) keepIn(k *Kept) {
	if e := f.away(); e != nil {
		*k = e.kept
	} else {
		f.keepOfFace(k)
	}
	k.At, k.Begun, k.Again = f.at, f.begun, int(f.again)
	if h := f.hand; h != nil {
		k.Hand, k.Base = h.unit, h.base
	}
	if r := f.rare; r != nil {
		k.Back, k.Moved, k.Groups, k.Knows = r.back, r.moved, r.groups, r.knows
	}
	if end, ok := f.end.(backends.Placer); ok {
		k.Place = end.Place()
	}
}

// keepOfFace notes in k what the face keeps. The caller holds f.mu.
func (f *File) keepOfFace(k *Kept) {
	if face, ok := f.face.(carrier); ok {
		face.keep(f.end, k)
	}
}

// Resume has a file that was just opened go on with what another one kept. Its user pays for that, whatever
// they may.
func (f *File) Resume(k Kept) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := hand{unit: k.Hand, base: k.Base, room: k.Hand}
	f.at, f.begun, f.again = k.At, k.Begun, uint8(k.Again)
	n := f.notes()
	if n.hand = f.pays.again(k.Lent); n.hand != nil {
		h.unit, f.lent = n.hand.data, true
	}
	n.step = k.Step
	if len(k.Back) > 0 || k.Moved != 0 {
		r := f.seldom()
		r.back, r.moved = k.Back, k.Moved
	}
	if f.pays.add(cap(h.room)); len(h.unit) > 0 {
		f.hand = &h
	}
	for _, one := range k.Back {
		f.pays.add(len(one.Data))
	}
	if end, ok := f.end.(backends.Placer); ok {
		end.Resume(k.Place)
	}
	if face, ok := f.face.(carrier); ok {
		face.resume(f.end, &k)
	}
	f.count()
}

// knowing has the file remember its caller's groups: what it does depends on them.
func (f *File) knowing(by Caller) {
	if by.remembers {
		r := f.seldom()
		r.groups, r.knows = by.member, true
	}
}

// connected reports whether what the caller opens was a connection before a hand-over, which goes on without
// the name.
func (c Caller) connected() bool { return c.again && c.conn.Number != 0 }

// goesOn reports whether what the caller opens is what it had open before a hand-over, whatever err says of
// the name.
func (c Caller) goesOn(err error) bool { return c.connected() || c.gone && backends.IsGone(err) }

// In is the caller with the groups that a file remembers, which was open before a hand-over.
func (c Caller) In(k *Kept) Caller {
	if k.Knows {
		c.member, c.remembers = k.Groups, true
	}
	c.again, c.conn = true, k.Conn
	return c
}

// Gone is a caller of In who also opens what has no name any more.
func (c Caller) Gone() Caller {
	c.gone = true
	return c
}

func (f *wrapped) keep(end backends.Endpoint, k *Kept) {
	if face, ok := f.Face.(carrier); ok {
		face.keep(end, k)
	}
}

func (f *wrapped) resume(end backends.Endpoint, k *Kept) {
	if face, ok := f.Face.(carrier); ok {
		face.resume(end, k)
	}
}

func (f *queueFace) keep(end backends.Endpoint, k *Kept) {
	f.wrapped.keep(end, k)
	k.Ended, k.Ends = f.ended(end), f.ends
}

func (f *queueFace) resume(end backends.Endpoint, k *Kept) {
	f.wrapped.resume(end, k)
	switch now := end.(ender).Ends(); {
	case k.Ended:
		f.ends = now - 1
	case now > k.Ends: // they were ended when it had nothing to write down
		f.ends = k.Ends
	}
}

func (f *topicFace) keep(end backends.Endpoint, k *Kept) {
	f.wrapped.keep(end, k)
	k.Truncated, k.Wrote = f.truncated, f.wrote
}

func (f *topicFace) resume(end backends.Endpoint, k *Kept) {
	f.wrapped.resume(end, k)
	f.truncated, f.wrote = k.Truncated, k.Wrote
}

// A stater is an end of sockets that has a State.
type stater interface{ State() socket.State }

func (f *socketFace) keep(end backends.Endpoint, k *Kept) {
	f.wrapped.keep(end, k)
	if end, ok := end.(stater); ok {
		k.Conn = end.State()
	}
}

func (o *onceFace) keep(_ backends.Endpoint, k *Kept) {
	if k.Had = o.had; !o.until.IsZero() {
		k.Until = o.until.UnixNano()
	}
}

func (o *onceFace) resume(_ backends.Endpoint, k *Kept) {
	if o.had = k.Had; k.Until != 0 {
		o.until = time.Unix(0, k.Until)
	}
}

func (p *peek) keep(_ backends.Endpoint, k *Kept) { k.Had = p.had }

func (p *peek) resume(_ backends.Endpoint, k *Kept) { p.had = k.Had }

func (w *wholeFace) keep(_ backends.Endpoint, k *Kept) {
	k.Pending, k.Refused = w.pending, w.refused
}

func (w *wholeFace) resume(_ backends.Endpoint, k *Kept) { w.pending, w.refused = k.Pending, k.Refused }

func (l *linesFace) keep(_ backends.Endpoint, k *Kept) {
	l.splitter.keep(k)
	l.packer.keep(k)
}

func (l *linesFace) resume(_ backends.Endpoint, k *Kept) {
	l.splitter.resume(k)
	l.packer.resume(k)
}

func (r *recordsFace) keep(_ backends.Endpoint, k *Kept) {
	r.splitter.keep(k)
	r.packer.keep(k)
}

func (r *recordsFace) resume(_ backends.Endpoint, k *Kept) {
	r.splitter.resume(k)
	r.packer.resume(k)
}

func (s *splitter) keep(k *Kept) { k.Pending = s.pending }

func (s *splitter) resume(k *Kept) { s.pending = k.Pending }

func (p *packer) keep(k *Kept) {
	if k.Holds = p.holds; p.holds {
		k.Held, k.Meta = p.held, p.meta
	}
}

func (p *packer) resume(k *Kept) { p.holds, p.held, p.meta = k.Holds, k.Held, k.Meta }

func (l *lease) keep(_ backends.Endpoint, k *Kept) {
	k.Lease = l.done // until there is an answer: the process that is to give it may be killed, too
	if name := l.q.store.LeaseName; name != nil && l.out {
		k.Lease, k.Refused, k.Past = name(l.now), l.refused, l.past
	}
}

func (l *lease) resume(end backends.Endpoint, k *Kept) {
	if l.q.store.ResumeLease == nil || k.Lease == "" {
		return
	}
	one, err := l.q.store.ResumeLease(end.(QueueEnd), k.Lease)
	switch {
	case backends.IsGone(err):
		l.done = k.Lease
		return
	case err != nil: // it comes back to its queue, and to say that it is done would be wrong
		return
	}
	l.now, l.out, l.refused, l.past = one, true, k.Refused, k.Past
}

func (textFace) keep(end backends.Endpoint, k *Kept) {
	t := end.(*Text)
	t.src.all.mu.Lock()
	defer t.src.all.mu.Unlock()
	if k.Shown = t.shown != nil; k.Shown {
		k.Sum, k.Bytes = t.shown.sum, t.shown.bytes
	}
}

func (textFace) resume(end backends.Endpoint, k *Kept) {
	t := end.(*Text)
	t.src.all.mu.Lock()
	defer t.src.all.mu.Unlock()
	if k.Shown {
		t.shown = &showing{k.Sum, k.Bytes}
	}
}
