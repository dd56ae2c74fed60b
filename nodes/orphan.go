package nodes

import (
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// orphans are the bound sockets that were there when the tree was opened. The kernel's socket hangs on the
// inode that bind(2) made, which belonged to an earlier mount. A new mount has another inode for the name,
// and connect(2) finds nobody there, though the server may be alive and wait. They stay orphans until they
// are bound anew, which makes another node.
type orphans struct {
	since time.Time
	all   map[backends.ID]bool
}

// add is told of a bound socket that is found when the tree is opened, before anybody can bind one in it.
func (o *orphans) add(id backends.ID) {
	if o.all == nil {
		o.all = map[backends.ID]bool{}
	}
	o.all[id] = true
}

// state are the facts of a bound socket.
func (o *orphans) state(id backends.ID) []Fact {
	if !o.all[id] {
		return []Fact{{"state", "bound"}}
	}
	return []Fact{{"state", "orphaned"}, {"orphaned_since", o.since.Format(time.RFC3339)}}
}

// older are the facts of a FIFO that was there before the tree was opened. The kernel's pipe hangs on the
// inode too, so those who have the FIFO open since then do not meet those who open it now. Nobody can tell
// which processes they are.
func older(a Attr, opened time.Time) []Fact {
	if born := a.BornAt(); born.IsZero() || !born.Before(opened) {
		return nil
	}
	return []Fact{{"ends_since", opened.Format(time.RFC3339)}}
}
