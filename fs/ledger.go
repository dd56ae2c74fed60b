package fs

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// A tree that has a ledger (Config.Ledger) writes its tables there as they change: each change before the
// answer of the request that made it (Tree.Commit). So another process goes on from there whenever this one
// ends.

// changes are the records of a table that are to be written.
type changes struct {
	ledger *backends.Ledger // nil: nothing is written
	some   *atomic.Bool     // of either table
	ids    []uint64
}

// add notes that a record has changed. The caller holds the table's lock.
func (c *changes) add(id uint64) {
	if c.ledger != nil {
		c.ids = append(c.ids, id)
		c.some.Store(true)
	}
}

// lasting is what the ledger of a tree needs beside the tables.
type lasting struct {
	ledger *backends.Ledger
	locks  *backends.LockHost
	some   atomic.Bool
	busy   atomic.Bool // a Commit writes down what some told of
	mu     sync.Mutex  // of what follows
	coder  []byte
	tree   backends.Record
	class  map[string]*keptClass
	others []backends.Left

	memory  map[uint64]int        // descriptors that an earlier process left, until all is open again
	resumed []func()              // to be called when all is open again
	moves   atomic.Pointer[moves] // until all requests have come again
}

// Left are the records of one kind that an earlier process left, of a kind that is not the tree's, in the
// order of their numbers.
func (t *Tree) Left(kind uint32) []backends.Left {
	from := func(kind uint32) int {
		i, _ := slices.BinarySearchFunc(t.lasting.others, kind, func(l backends.Left, kind uint32) int {
			return cmp.Compare(l.Kind, kind)
		})
		return i
	}
	return slices.Clip(t.lasting.others[from(kind):from(kind+1)])
}

// keptClass is what was written of a class.
type keptClass struct {
	record backends.Record
	last   []byte
}

// writeTo has both tables write their changes to l from now on.
func (t *Tree) writeTo(l *backends.Ledger) {
	t.env.NoHands(l) // what is open is open again
	t.table.changed = changes{ledger: l, some: &t.lasting.some}
	t.handles.changed = changes{ledger: l, some: &t.lasting.some}
}

// Ledger is the tree's; nil: it has none.
func (t *Tree) Ledger() *backends.Ledger { return t.lasting.ledger }

// resent is the bit in the number of a request that the kernel brings once more (FUSE_UNIQUE_RESEND).
const resent = 1 << 63

// RequestOf is the number of a request, however often it comes.
func RequestOf(unique uint64) uint64 { return unique &^ resent }

// Acts are the notes of what requests make, remove and move; nil: nothing is noted.
func (t *Tree) Acts() *nodes.Acts { return t.env.Acts }

// Commit writes down what has changed, before an answer tells of it. It returns when that is so, also if
// another answer's Commit does it.
func (t *Tree) Commit() {
	if !t.lasting.some.Load() && !t.lasting.busy.Load() { // in this order
		return
	}
	t.lasting.mu.Lock()
	defer t.lasting.mu.Unlock()
	t.lasting.busy.Store(true)
	defer t.lasting.busy.Store(false)
	t.lasting.some.Store(false)
	t.commitNodes()
	t.commitHandles()
}

func (t *Tree) commitNodes() {
	l := t.lasting.ledger
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	for _, id := range t.table.changed.ids {
		n := t.table.nodes[id]
		if n == nil || id == fuse.FUSE_ROOT_ID {
			continue // forgotten meanwhile, or the root
		}
		r := t.nodeRecord(n)
		t.put(&n.saved, backends.NodeRecord, id, r.code)
	}
	t.table.changed.ids = t.table.changed.ids[:0]
	*l.LastNode() = t.table.last
}

func (t *Tree) commitHandles() {
	l := t.lasting.ledger
	var changed []*opened
	var records []handleRecord
	t.handles.mu.Lock()
	for _, num := range t.handles.changed.ids {
		if h := t.handles.all[num]; h != nil {
			changed, records = append(changed, h), append(records, handleRecord{Handle: h.Handle})
		}
	}
	t.handles.changed.ids = t.handles.changed.ids[:0]
	*l.LastHandle() = t.handles.last
	t.handles.mu.Unlock()
	for i, h := range changed {
		t.commitHandle(h, &records[i])
	}
}

// commitHandle writes an open file, unless it was closed meanwhile.
func (t *Tree) commitHandle(h *opened, r *handleRecord) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone {
		return
	}
	r.Names, r.Ended = h.left()
	f, face := h.open.(*nodes.File)
	fresh := face && !h.lasts
	if fresh { // before there is a record of it
		h.lasts = true
		f.Lasts(t.lasting.ledger, h.Num, backends.Record{})
		f.Save(nil)
	}
	t.put(&h.saved, backends.HandleRecord, h.Num, r.code)
	if fresh {
		f.Lives()
	}
	switch rare := h.rare; {
	case rare == nil:
	case r.Names == nil:
		t.lasting.ledger.Drop(&rare.listed)
	case rare.listed == backends.Record{}:
		t.put(&rare.listed, backends.ListRecord, h.Num, r.codeNames)
	}
}

// put writes a record. The caller holds t.lasting.mu.
func (t *Tree) put(at *backends.Record, kind uint32, number uint64, record func(*nodes.Coder)) {
	t.lasting.coder = nodes.EncodeIn(t.lasting.coder[:0], record)
	t.lasting.ledger.Put(at, kind, number, t.lasting.coder)
}

// commitClasses writes down what classes keep in memory that belongs to no open file.
func (t *Tree) commitClasses() {
	if t.lasting.ledger == nil {
		return
	}
	t.lasting.mu.Lock()
	defer t.lasting.mu.Unlock()
	for i, k := range t.kinds {
		class, ok := k.Class.(nodes.Lasting)
		if !ok {
			continue
		}
		kept := t.lasting.class[k.Name]
		if kept == nil {
			kept = &keptClass{}
			t.lasting.class[k.Name] = kept
		}
		r := classRecord{k.Name, nodes.Encode(class.Last)}
		if b := nodes.Encode(r.code); !slices.Equal(b, kept.last) {
			t.lasting.ledger.Put(&kept.record, backends.ClassRecord, uint64(i), b)
			kept.last = b
		}
	}
}

// fromLedger are the tables that an earlier process wrote; nil: none did.
func (t *Tree) fromLedger(l *backends.Ledger) (*tables, error) {
	if l == nil {
		return nil, nil
	}
	ts := &tables{LastNode: *l.LastNode(), LastHandle: *l.LastHandle()}
	var first error
	read := func(b []byte, record func(*nodes.Coder)) bool {
		err := nodes.Decode(b, record)
		if err != nil && first == nil {
			first = err
		}
		return err == nil
	}
	l.Each(func(kind uint32, number uint64, b []byte, r backends.Record) {
		switch kind {
		case backends.TreeRecord:
			t.lasting.tree = r
			read(b, ts.codeTree)
		case backends.NodeRecord:
			var n nodeRecord
			if read(b, n.code) {
				n.saved = r
				ts.Nodes = append(roomier(ts.Nodes), n)
			}
		case backends.HandleRecord:
			var h handleRecord
			if read(b, h.code) {
				h.saved = r
				ts.Handles = append(roomier(ts.Handles), h)
			}
		case backends.KeptRecord:
			if h := ts.handle(number); h == nil {
				l.Drop(&r) // its file was closed
			} else if read(b, h.Kept.Code) {
				h.keptAt = r
			}
		case backends.ListRecord:
			if h := ts.handle(number); h == nil {
				l.Drop(&r)
			} else if read(b, h.codeNames) {
				h.listed = r
			}
		case backends.ClassRecord:
			var k classRecord
			if read(b, k.code) {
				ts.Classes = append(ts.Classes, k)
				t.lasting.class[k.Name] = &keptClass{record: r, last: slices.Clone(b)}
			}
		case backends.LockRecord:
			k := lockRecord{number: number, saved: r}
			if read(b, k.code) {
				ts.Locks = append(roomier(ts.Locks), k)
			}
		default:
			t.lasting.others = append(roomier(t.lasting.others), backends.Left{
				Kind: kind, Number: number, Data: slices.Clone(b), Record: r,
			})
		}
	})
	if first != nil {
		return nil, first
	}
	if t.lasting.tree == (backends.Record{}) {
		return nil, nil
	}
	ts.LastNode = max(ts.LastNode, last(ts.Nodes, func(n nodeRecord) uint64 { return n.ID }))
	ts.LastHandle = max(ts.LastHandle, last(ts.Handles, func(h handleRecord) uint64 { return h.Num }))
	return ts, ts.check()
}

// roomier is a list with room for one more. It grows twofold: append would copy a long list of records, as
// these are, some four times.
func roomier[T any](list []T) []T {
	if len(list) < cap(list) {
		return list
	}
	return slices.Grow(list, max(len(list), 16))
}

// handle is the record of an open file; nil: there is none.
func (ts *tables) handle(number uint64) *handleRecord {
	i, found := slices.BinarySearchFunc(ts.Handles, number, func(h handleRecord, n uint64) int {
		return cmp.Compare(h.Num, n)
	})
	if !found {
		return nil
	}
	return &ts.Handles[i]
}

func last[T any](list []T, number func(T) uint64) uint64 {
	if len(list) == 0 {
		return 0
	}
	return number(list[len(list)-1])
}
