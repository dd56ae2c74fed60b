package memqueues

import (
	"slices"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/mqueue"
	"github.com/ipcfs/ipcfs/nodes"
)

// A queue is one queue where it is kept. Store.mu guards it.
type queue struct {
	all            *Store
	name           string
	attr           nodes.Attr
	rules          nodes.QueueRules
	line           []message // the next to be received first
	lent           int
	sent, received backends.Moved
	removed        bool

	ends []*end // that are open
	eofs int64  // how often readers were ended
}

// A message is one that waits or is lent.
type message struct {
	data  []byte
	meta  backends.Meta
	tries int // how often it was lent
}

// put puts a message behind those of its priority.
func (q *queue) put(m message) {
	at := slices.IndexFunc(q.line, func(o message) bool { return o.meta.Prio < m.meta.Prio })
	q.insert(at, m)
}

// putBack puts a message before those of its priority, whether or not there is room.
func (q *queue) putBack(m message) {
	at := slices.IndexFunc(q.line, func(o message) bool { return o.meta.Prio <= m.meta.Prio })
	q.insert(at, m)
}

func (q *queue) insert(at int, m message) {
	if at < 0 {
		at = len(q.line)
	}
	q.line = slices.Insert(q.line, at, m)
	q.changed()
}

// take receives as many messages as there are and fit, as backends.Taker does.
func (q *queue) take(room, each int) (list []message, err error) {
	for len(q.line) > 0 {
		m := q.line[0]
		if room -= each + len(m.data); room < 0 && len(list) > 0 {
			break
		}
		list, q.line = append(list, m), q.line[1:]
	}
	if len(list) == 0 {
		return nil, q.nothing()
	}
	for _, m := range list {
		q.received.Add(1, int64(len(m.data)))
	}
	q.attr.Atime = time.Now()
	q.changed()
	return list, nil
}

func (q *queue) nothing() error {
	if q.removed {
		return backends.ErrRemoved
	}
	return backends.ErrWouldBlock
}

// add sends as many messages as there is room for, as backends.Sender does.
func (q *queue) add(list []message) (n int, err error) {
	for _, m := range list {
		switch {
		case q.removed:
			err = backends.ErrRemoved
		case len(m.data) > q.rules.MsgSize:
			err = syscall.EMSGSIZE
		case m.meta.Prio >= mqueue.PrioMax:
			err = syscall.EINVAL
		case len(q.line) >= q.rules.MaxMsg:
			err = backends.ErrWouldBlock
		default:
			q.put(m)
			q.sent.Add(1, int64(len(m.data)))
			q.attr.Mtime = time.Now()
			n++
			continue
		}
		break
	}
	return n, err
}

// ready is what would not block now.
func (q *queue) ready() (r backends.Ready) {
	if len(q.line) > 0 {
		r |= backends.In
	}
	switch {
	case q.removed:
		r |= backends.Err
	case len(q.line) < q.rules.MaxMsg:
		r |= backends.Out
	}
	return r
}

// changed tells all ends how the queue is now; that takes its time to get to them.
func (q *queue) changed() {
	ready := q.ready()
	q.all.link.send(func() { q.tell(ready) })
}

// tell wakes those who wait for what is ready. Of those who wait to read it wakes as many as there are
// messages, the longest waiting first: each is due a message until it has come for it.
func (q *queue) tell(ready backends.Ready) {
	q.all.mu.Lock()
	armed := slices.Clone(q.ends)
	slices.SortFunc(armed, func(a, b *end) int { return int(a.armed - b.armed) })
	free := len(q.line)
	for _, e := range armed {
		if e.due {
			free--
		}
	}
	var wakes []func()
	for _, e := range armed {
		e.known = ready
		switch {
		case e.wake == nil || e.trips > 0 || e.want&ready == 0 && ready&backends.Err == 0:
			continue
		case e.reads && ready&(e.want|backends.Err) == backends.In:
			if free--; free < 0 {
				continue
			}
			e.due = true
		}
		wakes = append(wakes, e.take())
	}
	q.all.mu.Unlock()
	for _, wake := range wakes {
		wake()
	}
}

// sized are the attributes with the bytes that wait as the size.
func (q *queue) sized() nodes.Attr {
	a := q.attr
	for _, m := range q.line {
		a.Size += int64(len(m.data))
	}
	if q.removed {
		a.Nlink = 0
	}
	return a
}
