package topic

import (
	"bytes"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// A Topic gives each message that is published to it to all who read it. Its name, mode, owner and rules
// are kept in a file, its messages in the daemon's memory, each once. As an Endpoint it is shared by all
// who have it open only to publish.
type Topic struct {
	feed
	id        backends.ID
	name      string          // path below the class
	attr      backends.Attr   // as last seen
	way       []backends.Attr // of the directories that lead to it, and its own, as of wayAt
	wayAt     uint64
	groups    map[string]*Subscription
	broken    bool      // its file holds something that is no rules
	publisher sleeper   // the one gate of all who only publish
	cleared   uint64    // messages up to this number are no retained value any more,
	forgotten uint64    // and those up to this one are not kept
	changes   uint64    // how often the retained value changed
	last      time.Time // when it was published to
	published uint64    // bytes
	ends      int       // that are open and have to be closed; a topic without a name lasts as long

	number uint64          // in the ledger
	saved  backends.Record // there,
	counts backends.Record // and that of lost and given
}

// MaxBytes is what all topics of one user may cost together.
const MaxBytes = 64 << 20

func newTopicBytes() *backends.Budget {
	return backends.NewBudget(backends.Terms{Name: "topic_bytes", Err: unix.EDQUOT, Heap: true},
		func(int64) backends.Bounds { return backends.EachMay(MaxBytes) })
}

// keepsOldest reports whether the oldest message is one of those to keep, or the value.
func (t *Topic) keepsOldest() bool {
	n := t.backlog.at(t.backlog.first).n
	return t.backlog.len() <= t.rules.Keep && n > t.forgotten || t.backlog.len() == 1 && n > t.cleared
}

// value is the retained message; nil if there is none.
func (t *Topic) value() *message {
	if t.backlog.len() == 0 {
		return nil
	}
	if s := t.backlog.at(t.backlog.end() - 1); s.n > t.cleared {
		return s.m
	}
	return nil
}

// TryRead refuses.
func (t *Topic) TryRead([]byte) (int, backends.Meta, error) { return 0, backends.Meta{}, unix.EBADF }

// TryWrite publishes a message. ErrWouldBlock: a reader who is slow has to read first (Block). EMSGSIZE: it
// is larger than all the topic may hold. EDQUOT: the owner's topics hold all they may. ENXIO: nobody reads
// it (NeedReader).
func (t *Topic) TryWrite(p []byte, meta backends.Meta) (int, error) {
	t.all.mu.Lock()
	defer t.all.unlock()
	size := cost(p)
	switch {
	case t.removed:
		return 0, backends.ErrRemoved
	case size > t.rules.Bytes || len(p) > backends.MaxMessage:
		return 0, unix.EMSGSIZE
	case t.rules.NeedReader && !t.isRead():
		return 0, unix.ENXIO
	}
	err := t.admit(size)
	if err != nil && err != errNobody {
		return 0, err
	}
	t.last = time.Now()
	t.published += uint64(len(p))
	if err == errNobody {
		t.n++
		t.save()
		return len(p), nil
	}
	t.changes++
	m := &message{topic: t, seq: t.n + 1, data: bytes.Clone(p)}
	t.all.above(t, func(m *merge) { m.told.Store(int64(m.n + 1)) }) // first: what is published is got or missed
	t.saveMessage(m, meta.Work)
	t.give(m)
	t.all.merge(m, size)
	return len(p), nil
}

func (t *Topic) isRead() bool {
	if len(t.readers)+t.watchers > 0 {
		return true
	}
	read := false
	t.all.above(t, func(*merge) { read = true })
	return read
}

// Unit is MaxMessage.
func (t *Topic) Unit() int { return backends.MaxMessage }

// Ready is Waiter.Ready of those who only publish.
func (t *Topic) Ready() backends.Ready {
	t.all.mu.Lock()
	defer t.all.unlock()
	return t.ready()
}

func (t *Topic) ready() backends.Ready {
	switch {
	case t.removed:
		return backends.Err
	case t.full():
		return 0
	}
	return backends.Out
}

// Arm is Waiter.Arm.
func (t *Topic) Arm(want backends.Ready, wake func()) {
	t.all.mu.Lock()
	defer t.all.unlock()
	t.arm(&t.publisher, t.ready(), want, wake)
}

// Stat is that of the topic's file, with the bytes of the messages it holds as its size. A topic that was
// removed has no links.
func (t *Topic) Stat() (backends.Attr, error) {
	t.all.mu.Lock()
	defer t.all.unlock()
	return t.stat(), nil
}

func (t *Topic) stat() backends.Attr {
	if t.all.dir == nil {
		return t.attr // a Relay knows no more
	}
	a, err := t.all.dir.Stat(t.ref())
	if t.removed || err != nil {
		a = t.attr
		a.Nlink = 0
	}
	return t.show(a)
}

// ref is the topic's file.
func (t *Topic) ref() backends.Ref { return backends.Ref{Path: t.name, Was: backends.Attr{ID: t.id}} }

// show makes attributes of the topic's file those of the topic.
func (t *Topic) show(a backends.Attr) backends.Attr {
	a.Size, a.Blocks = int64(t.bytes-t.held*messageOverhead-t.apart*slotCost), 0
	if !t.last.IsZero() {
		a.Mtime = t.last
	}
	return a
}

// Publisher is the topic for one more who only publishes, until Close.
func (t *Topic) Publisher() backends.Endpoint {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	t.use()
	return t
}

// Close is of a publisher.
func (t *Topic) Close() error {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	t.unuse()
	return nil
}

// Born is when it was made, zero if its file system does not tell.
func (t *Topic) Born() time.Time { return t.id.BornAt() }

// Rules are the topic's.
func (t *Topic) Rules() Rules {
	t.all.mu.Lock()
	defer t.all.unlock()
	return t.rules
}

// Restrict sets the rules, also for what the topic holds now, and keeps them for the next daemon.
func (t *Topic) Restrict(r Rules) error {
	if err := r.Check(); err != nil {
		return err
	}
	t.all.mu.Lock()
	defer t.all.unlock()
	if err := saveRules(t.all.dir, t.ref(), r); err != nil {
		return err
	}
	t.restrict(r)
	t.save()
	t.broken = false
	return nil
}

// Clear takes back the retained value. Messages that are kept stay.
func (t *Topic) Clear() {
	t.all.mu.Lock()
	defer t.all.unlock()
	t.clear(t.n)
}

// clear takes the value back if it has this number, or one before. The caller holds the store's lock.
func (t *Topic) clear(last uint64) {
	if m := t.value(); m == nil || m.seq > last {
		return
	}
	t.cleared = last
	t.changes++
	t.save()
	t.trim()
	t.all.wakes = t.sleepers.take(backends.In, t.all.wakes)
}

// Forget is Clear for the messages that are kept too, up to this number. Those that readers have still to
// read stay for them.
func (t *Topic) Forget(last uint64) {
	t.all.mu.Lock()
	defer t.all.unlock()
	t.clear(last)
	t.forgotten = max(t.forgotten, last)
	t.save()
	t.trim()
}
