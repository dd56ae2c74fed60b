package nodes

import (
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/topic"
)

// A Lasting class keeps something in the daemon's memory that belongs to no open file, and that is to go on
// when another process goes on with the tree. Last writes it, or, when it is read, has the class go on from
// it before anything of the class is opened.
type Lasting interface{ Last(c *Coder) }

// Last is Lasting.Last: the messages that topics hold.
func (t *Topics) Last(c *Coder) {
	if t.store.Kept == nil {
		return
	}
	var list []topic.Snapshot
	if !c.reads {
		list = t.store.Kept.Snapshots()
	}
	Each(c, &list, func(r *topic.Snapshot) {
		codeID(c, &r.ID)
		c.Text(&r.Name)
		Number(c, &r.Last)
		for _, n := range []*uint64{
			&r.N, &r.Lost, &r.Given, &r.Bytes, &r.Published, &r.Changes, &r.Cleared, &r.Forgotten,
		} {
			Number(c, n)
		}
		Each(c, &r.Messages, func(m *topic.SnapshotMessage) {
			Number(c, &m.N)
			c.Bytes(&m.Data)
		})
	})
	if c.Reads() {
		t.store.Kept.Resume(list)
	}
}

func codeID(c *Coder, id *backends.ID) {
	Number(c, &id.Ino)
	Number(c, &id.Born)
}

// codeTime is a time in nanoseconds.
func codeTime(c *Coder, t *time.Time) {
	n := t.UnixNano()
	if Number(c, &n); c.reads {
		*t = time.Unix(0, n)
	}
}

// Last is Lasting.Last: since when bound sockets are orphans, and which.
func (s *Sockets) Last(c *Coder) {
	var list []backends.ID
	for id := range s.orphans.all {
		list = append(list, id)
	}
	codeTime(c, &s.orphans.since)
	Each(c, &list, func(id *backends.ID) { codeID(c, id) })
	if c.Reads() {
		s.orphans.all = nil
		for _, id := range list {
			s.orphans.add(id)
		}
	}
}

// Last is Lasting.Last: since when the ends of a FIFO meet.
func (f *Fifos) Last(c *Coder) { codeTime(c, &f.opened) }
