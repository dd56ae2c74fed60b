package topic

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// A store that has a ledger writes each message there as it is published, and takes it out when all readers
// for whom it was kept have written down that they have it. What else a topic is stands in a record of its
// own, which is written when it changes by something else than a message.

// numberBits are those of a message's number in the number of its record. The topic's are above them.
const numberBits = 40

// Lasts has the store write what it keeps into a ledger, and go on from what an earlier process left there.
// It is to be called before anybody has opened a topic. places are where topics are by now.
func (ts *Store) Lasts(
	l *backends.Ledger, left func(kind uint32) []backends.Left, places func() *backends.Places,
) {
	ts.works, ts.left, ts.leftDirs = map[uint64]bool{}, map[backends.ID]*Topic{}, map[backends.ID]*merge{}
	of, counts := map[uint64][]backends.Left{}, map[uint64]backends.Record{}
	for _, m := range left(backends.MessageRecord) {
		of[m.Number>>numberBits] = append(of[m.Number>>numberBits], m)
	}
	ts.merged = map[string]backends.Record{}
	for _, one := range left(backends.MergeRecord) {
		key := one.CountsOf(1)
		older := ts.merged[key] // where births are not known
		l.Drop(&older)
		ts.merged[key] = one.Record
	}
	for _, one := range left(backends.TopicCounts) {
		counts[one.Number] = one.Record
		ts.numbers = max(ts.numbers, one.Number)
	}
	for _, one := range left(backends.TopicRecord) {
		ts.numbers = max(ts.numbers, one.Number)
		t := ts.resume(one, of[one.Number], places)
		if t == nil {
			l.Drop(&one.Record)
			continue
		}
		if ts.open[t.id] == t {
			t.counts = counts[one.Number]
			delete(counts, one.Number)
		}
		delete(of, one.Number)
	}
	for _, r := range counts {
		l.Drop(&r)
	}
	for _, list := range of {
		for _, m := range list {
			l.Drop(&m.Record)
		}
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.ledger = l
	for _, t := range ts.open {
		t.save()
		t.count()
	}
}

// resume has one topic go on; nil: it cannot.
func (ts *Store) resume(one backends.Left, messages []backends.Left, places func() *backends.Places) *Topic {
	r, attr, removed, slow, ok := readTopic(one.Data)
	if !ok {
		return nil
	}
	slices.SortFunc(messages, func(a, b backends.Left) int { return cmp.Compare(a.Number, b.Number) })
	at := map[uint64]backends.Record{}
	for _, m := range messages {
		if len(m.Data) < messageHead {
			continue
		}
		n := m.Number & (1<<numberBits - 1)
		if work := binary.LittleEndian.Uint64(m.Data[24:]); work != 0 {
			ts.works[work] = true
		}
		r.Last = max(r.Last, int64(binary.LittleEndian.Uint64(m.Data)))
		r.Changes = max(r.Changes, binary.LittleEndian.Uint64(m.Data[8:]))
		r.Published = max(r.Published, binary.LittleEndian.Uint64(m.Data[16:]))
		r.N = max(r.N, n)
		r.Messages = append(r.Messages, SnapshotMessage{n, slices.Clone(m.Data[messageHead:])})
		at[n] = m.Record
	}
	t := ts.found(&r, attr, removed, slow, places)
	if t == nil {
		return nil
	}
	t.resume(&r)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t.number, t.saved = one.Number, one.Record
	for pos := t.backlog.first; pos < t.backlog.end(); pos++ {
		s := t.backlog.at(pos)
		s.m.saved = at[s.n]
	}
	return t
}

// count has the numbers of a topic's readers be in the ledger.
func (t *Topic) count() {
	n := t.all.ledger.Counts(&t.counts, backends.TopicCounts, t.number, 3, "")
	t.lost, t.given = &n[0], &backends.Flows(n[1:])[0]
}

// uncount takes them out: what readers get from now on nobody counts.
func (t *Topic) uncount() {
	t.lost, t.given = new(atomic.Int64), new(backends.Flow)
	t.all.ledger.Drop(&t.counts)
}

// save writes what a topic is beside its messages. The caller holds the store's lock.
func (t *Topic) save() {
	l := t.all.ledger
	if l == nil || t.removed && t.ends == 0 {
		l.Drop(&t.saved)
		return
	}
	if t.number == 0 {
		t.all.numbers++
		t.number = t.all.numbers
	}
	b := t.all.coder[:0]
	removed := uint64(0)
	if t.removed {
		removed = 1
	}
	at := func(when time.Time) uint64 { return uint64(when.UnixNano()) }
	for _, n := range []uint64{
		t.id.Ino, t.id.Born, uint64(t.lastAt()), t.n, t.published, t.changes, t.cleared, t.forgotten,
		removed, uint64(t.uid), at(t.attr.Atime), at(t.attr.Mtime), at(t.attr.Ctime),
		uint64(slices.Index(slows, t.rules.Slow)),
	} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	t.all.coder = append(b, t.name...)
	l.Put(&t.saved, backends.TopicRecord, t.number, t.all.coder)
}

const topicHead = 14 * 8

// readTopic reads what save has written. attr are the attributes of its file, but for what the tree knows.
func readTopic(b []byte) (r Snapshot, attr backends.Attr, removed bool, slow Slow, ok bool) {
	if len(b) < topicHead {
		return r, attr, false, "", false
	}
	n := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	at := func(i int) time.Time { return time.Unix(0, int64(n(i))) }
	r = Snapshot{
		ID: backends.ID{Ino: n(0), Born: n(1)}, Last: int64(n(2)), N: n(3), Published: n(4),
		Changes: n(5), Cleared: n(6), Forgotten: n(7), Name: string(b[topicHead:]),
	}
	attr = backends.Attr{
		ID: r.ID, Mode: unix.S_IFREG, Uid: uint32(n(9)), Atime: at(10), Mtime: at(11), Ctime: at(12),
	}
	return r, attr, n(8) != 0, slows[min(n(13), uint64(len(slows)-1))], true
}

func (t *Topic) lastAt() int64 {
	if t.last.IsZero() {
		return 0
	}
	return t.last.UnixNano()
}

const messageHead = 32

// saveMessage writes a message that is about to be given to the readers, and by which work at a desk it is
// published. The caller holds the store's lock.
func (t *Topic) saveMessage(m *message, work uint64) {
	if t.all.ledger == nil {
		return
	}
	b := binary.LittleEndian.AppendUint64(t.all.coder[:0], uint64(t.lastAt()))
	b = binary.LittleEndian.AppendUint64(b, t.changes)
	b = binary.LittleEndian.AppendUint64(b, t.published)
	b = binary.LittleEndian.AppendUint64(b, work)
	t.all.coder = append(b, m.data...)
	t.all.ledger.Put(&m.saved, backends.MessageRecord, t.number<<numberBits|m.seq, t.all.coder)
	if cap(t.all.coder) > keptCoder {
		t.all.coder = nil
	}
}

// keptCoder is how much room for a record is kept for the next one, in bytes.
const keptCoder = 64 << 10

// unsave takes out the record of a message that nobody is to get any more: at once, or when the reader who
// got it last has written that down. The caller holds the store's lock.
func (ts *Store) unsave(m *message) {
	switch {
	case ts.ledger == nil:
	case ts.reader != nil:
		ts.reader.done = append(ts.reader.done, m.saved)
	default:
		ts.ledger.Drop(&m.saved)
	}
}

// An End is what one open file has of a topic: a Topic to publish to, or a Subscription. It notes on the
// file's desk what was published (backends.Desk).
type End struct {
	backends.Endpoint
	backends.AtDesk
}

// Reader is an End to read.
type Reader struct {
	*Subscription
	backends.AtDesk
}

// ForFile is the end of a topic as one open file has it.
func ForFile(end backends.Endpoint) backends.Endpoint {
	switch end := end.(type) {
	case *Topic:
		return &End{Endpoint: end}
	case *Subscription:
		return &Reader{Subscription: end}
	}
	return end
}

// Shared is Noter.Shared.
func (e *End) Shared() backends.Endpoint { return e.Endpoint }

// TryWrite is Port.TryWrite.
func (e *End) TryWrite(p []byte, m backends.Meta) (int, error) {
	return publish(e.Endpoint, e.Desk, p, m)
}

// Shared is Noter.Shared.
func (r *Reader) Shared() backends.Endpoint { return r.Subscription }

// TryWrite is Port.TryWrite.
func (r *Reader) TryWrite(p []byte, m backends.Meta) (int, error) {
	return publish(r.Subscription, r.Desk, p, m)
}

// Saved is told that what its file has read is written down.
func (r *Reader) Saved() {
	ts := r.feed.all
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for i := range r.done {
		ts.ledger.Drop(&r.done[i])
	}
	r.done = r.done[:0]
}

// topicOf is the topic that an end publishes to; nil: to none here.
func topicOf(end backends.Port) *Topic {
	switch end := end.(type) {
	case *Topic:
		return end
	case *Subscription:
		return end.topic
	}
	return nil
}

// hasPublished reports, once, whether an earlier process published a message by this work.
func (ts *Store) hasPublished(work uint64) bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	has := ts.works[work]
	delete(ts.works, work)
	return has
}

func publish(to backends.Port, d *backends.Desk, p []byte, m backends.Meta) (int, error) {
	if n, ok := d.SentAgain(); ok {
		return n, nil
	}
	if d.Full() {
		return 0, backends.ErrWouldBlock
	}
	m.Work = d.Work()
	n, err := len(p), error(nil)
	if t := topicOf(to); t == nil || !d.Resumed() || !t.all.hasPublished(m.Work) {
		n, err = to.TryWrite(p, m)
	}
	if err == nil {
		backends.Point("sent")
		d.Sent(n)
		backends.Point("noted sent")
	}
	return n, err
}
