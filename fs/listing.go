package fs

import (
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// listing is what a directory held when a reader began to read it, until they have read it to its end. The
// reader's user pays for it.
type listing struct {
	names []nodes.Entry
	cost  int64  // bytes, paid for
	ended uint64 // where it was read to its end; 0: it was not
}

// costOf is what names take, in bytes.
func costOf(names []nodes.Entry) (cost int64) {
	const each = 40 // of an Entry, and of its name's allocation
	for _, e := range names {
		cost += each + int64(len(e.Name))
	}
	return cost
}

// begin has the listing be of these names: ENOBUFS if its user has as much memory in use as one user may. A
// listing that has ended and is read again, as by a reader with a small buffer, is made anew.
func (l *listing) begin(names []nodes.Entry, pays *backends.Budget, uid uint32) error {
	l.end(pays, uid)
	cost := costOf(names)
	if err := pays.Take(uid, cost); err != nil {
		return err
	}
	l.names, l.cost, l.ended = names, cost, 0
	return nil
}

// resume has the listing go on from names that another process had, whatever its user may have.
func (l *listing) resume(names []nodes.Entry, ended uint64, pays *backends.Budget, uid uint32) {
	l.names, l.ended, l.cost = names, ended, costOf(names)
	pays.Add(uid, l.cost)
}

// end gives the names up, and the memory back.
func (l *listing) end(pays *backends.Budget, uid uint32) {
	if len(l.names) > 0 {
		l.ended = uint64(len(l.names))
	}
	pays.Give(uid, l.cost)
	l.names, l.cost = nil, 0
}
