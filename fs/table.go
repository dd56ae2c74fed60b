package fs

import (
	"strings"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// Node is a file or directory that the kernel knows by number: plain data, from which its object is found
// again (see nodeRecord), but for what is open of it.
type Node struct {
	ID     uint64
	Parent uint64 // 0: where it is is not known any more
	Name   string
	Kind   int32 // index of its class in Tree.kinds; dirKind for the directories between the root and the kinds
	Top    bool  // the directory of its class, or one between the root and the kinds

	Message bool
	Object  backends.ID
	Part    nodes.Part
	Link    string

	// What the kernel was told last, by which it judges who may do what:
	Mode, Uid, Gid uint32

	By      uint32 // who had it looked up first
	Lookups uint64 // how often the kernel was told of it and has not forgotten it

	saved backends.Record // in the ledger
	live  *live           // nil: nobody has had it open. Only the table's own is up to date (table.open)
}

// key is the identity of an object that must keep its node id for as long as the kernel knows it.
type key struct {
	kind   int32
	object backends.ID
	part   nodes.Part
}

func (n *Node) key() key { return key{n.Kind, n.Object, n.Part} }

// table gives the kernel its node ids. Message faces get a fresh one for each lookup: the kernel holds an
// inode's lock while a write waits for its answer, so that a second user of the same node id would hang
// behind a blocked writer, and then, through the directory's lock, everybody (queue_full_harmless.txtar).
// Everything else keeps one id for as long as the kernel remembers it: pipes, bound sockets, mappings and
// locks hang on the kernel's inode.
//
// The kernel asks about a name it knows before it walks over it, and drops what it knows if the answer is
// another node. So that an `echo > queue` again and again does not cost it two lookups each, a message face's
// node that was open, and is not any more, serves for one more lookup: of that one lookup alone, as a fresh
// one would. And a thread that was told of a node which nobody opened is told of it again: it waits for
// nothing while it looks a name up, and nobody else has the node. So ls -l asks three times about a name, not
// seven (TestSameThread).
type table struct {
	mu    sync.Mutex
	nodes map[uint64]*Node
	byKey map[key]uint64
	spare map[spot]spare
	last  uint64

	byUser map[uint32]*looked
	held   map[uint64]int // nodes that stay though the kernel has forgotten them, and for how many closed files

	changed changes
}

// live is what is open of a node. It is opened and closed with mu held.
type live struct {
	mu     sync.Mutex
	memory *memory // the one backing file of a shared memory object that is open; see table.holds
	face   *opened // that has a message face open and was opened last; see opened.earlier
}

// unused reports whether nothing is open, and nobody is about to open it. It waits for nobody.
func (l *live) unused() bool {
	if l == nil {
		return true
	}
	if !l.mu.TryLock() {
		return false
	}
	defer l.mu.Unlock()
	return l.memory == nil && l.face == nil
}

// spare is a node that may serve for one more lookup.
type spare struct {
	node uint64
	pid  uint32 // of this thread alone, which was told of it; 0: of anybody, as it was open
}

// spot is a name in a directory.
type spot struct {
	parent uint64
	name   string
}

func newTable() *table {
	root := &Node{ID: fuse.FUSE_ROOT_ID, Kind: dirKind, Top: true, Lookups: 1}
	return &table{
		nodes: map[uint64]*Node{root.ID: root},
		byKey: map[key]uint64{}, spare: map[spot]spare{}, last: root.ID, byUser: map[uint32]*looked{},
		held: map[uint64]int{},
	}
}

// get finds a node the kernel asks about; false if it was never told of it.
func (t *table) get(id uint64) (Node, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[id]
	if n == nil {
		return Node{}, false
	}
	return *n, true
}

// open is what is open of a node; it begins with nothing. nil: the kernel does not know the node.
func (t *table) open(id uint64) *live {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[id]
	if n == nil {
		return nil
	}
	if n.live == nil {
		n.live = &live{}
	}
	return n.live
}

// atRest reports whether nobody has a node open that is none of a message face, nor is about to. It waits for
// no open.
func (t *table) atRest(id uint64) bool {
	t.mu.Lock()
	var l *live
	if n := t.nodes[id]; n != nil {
		l = n.live
	}
	t.mu.Unlock()
	if l == nil {
		return true
	}
	if !l.mu.TryLock() {
		return false
	}
	defer l.mu.Unlock()
	return l.memory == nil
}

// fresh makes a node for a message face that no other thread will share, or takes the spare one. pid is the
// thread's; 0: it is not known.
func (t *table) fresh(n Node, pid uint32) (id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := spot{n.Parent, n.Name}
	have := t.spare[at]
	old := t.nodes[have.node]
	if old != nil && old.key() == n.key() && (have.pid == 0 || have.pid == pid) {
		old.Lookups++
		old.Mode, old.Uid, old.Gid = n.Mode, n.Uid, n.Gid
		id = old.ID
		t.changed.add(id)
	} else {
		id = t.add(n)
	}
	if delete(t.spare, at); pid != 0 {
		t.spare[at] = spare{id, pid}
	}
	return id
}

// idle keeps a message face's node that is not open any more for the next lookup.
func (t *table) idle(id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.nodes[id]; n != nil {
		t.spare[spot{n.Parent, n.Name}] = spare{node: id}
	}
}

// busy takes a message face's node that was opened out of the spare ones: it can be opened without a lookup,
// by /dev/fd of a descriptor that is O_PATH or by a bind mount of the file (spare.txtar).
func (t *table) busy(id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.nodes[id]; n != nil && t.spare[spot{n.Parent, n.Name}].node == id {
		delete(t.spare, spot{n.Parent, n.Name})
	}
}

// known finds or makes the node of an object, and notes where it was seen last.
func (t *table) known(n Node) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.nodes[t.byKey[n.key()]]
	if old == nil {
		id := t.add(n)
		t.byKey[n.key()] = id
		return id
	}
	old.Lookups++
	old.Mode, old.Uid, old.Gid = n.Mode, n.Uid, n.Gid
	t.place(old, n.Parent, n.Name)
	return old.ID
}

// place notes where a node is. What was noted before of a directory above may be out of date, as others
// rename too: where it would make the node an ancestor of itself, it is forgotten, and that directory has no
// place until it is looked up again. The caller holds t.mu.
func (t *table) place(n *Node, parent uint64, name string) {
	if parent == n.ID {
		parent = 0 // nothing is in itself, whatever a file system says of the identity of what it holds
	}
	for above := t.nodes[parent]; above != nil; above = t.nodes[above.Parent] {
		if above.Parent == n.ID {
			above.Parent = 0
			t.changed.add(above.ID)
		}
	}
	n.Parent, n.Name = parent, name
	t.changed.add(n.ID)
}

// add gives n its number. The caller holds t.mu.
func (t *table) add(n Node) uint64 {
	t.last++
	n.ID, n.Lookups = t.last, 1
	t.nodes[n.ID] = &n
	t.looked(&n)
	t.changed.add(n.ID)
	return n.ID
}

// told notes what the kernel is told of a node, and reports whether that is news.
func (t *table) told(id uint64, a nodes.Attr) (news bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[id]
	if n == nil {
		return false
	}
	news = n.Mode != a.Mode || n.Uid != a.Uid || n.Gid != a.Gid
	if n.Mode, n.Uid, n.Gid = a.Mode, a.Uid, a.Gid; news {
		t.changed.add(id)
	}
	return news
}

// forget takes back count of the times the kernel was told of a node.
func (t *table) forget(id, count uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[id]
	if n == nil || id == fuse.FUSE_ROOT_ID {
		return
	}
	if n.Lookups > count {
		n.Lookups -= count
		t.changed.add(id)
		return
	}
	n.Lookups = 0
	if t.held[id] > 0 {
		t.changed.add(id)
		return
	}
	t.remove(n)
}

// remove takes out a node that the kernel does not know any more. The caller holds t.mu.
func (t *table) remove(n *Node) {
	t.changed.ledger.Drop(&n.saved)
	delete(t.nodes, n.ID)
	t.unlooked(n)
	if at := (spot{n.Parent, n.Name}); t.spare[at].node == n.ID {
		delete(t.spare, at)
	}
	if t.byKey[n.key()] == n.ID {
		delete(t.byKey, n.key())
	}
}

// hold has a node stay, and those above it, until unhold of what it returns: another process finds by them
// what a closed file is of that has something left to send, and of which the kernel knows nothing any more.
func (t *table) hold(id uint64) (held []uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n := t.nodes[id]; n != nil && n.ID != fuse.FUSE_ROOT_ID; n = t.nodes[n.Parent] {
		t.held[n.ID]++
		held = append(held, n.ID)
	}
	return held
}

// unhold ends a hold.
func (t *table) unhold(held []uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range held {
		if t.held[id]--; t.held[id] == 0 {
			delete(t.held, id)
			t.unused(id)
		}
	}
}

// unused takes out a node if only a hold has kept it, and reports whether it did. The caller holds t.mu.
func (t *table) unused(id uint64) bool {
	n := t.nodes[id]
	if n == nil || n.Lookups > 0 || t.held[id] > 0 {
		return false
	}
	t.remove(n)
	return true
}

// gone parts an object that was removed from its node: where no time of birth is known, its identity may
// serve for another one soon.
func (t *table) gone(k key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id, ok := t.byKey[k]; ok {
		delete(t.byKey, k)
		t.changed.add(id)
	}
}

// holds notes the shared memory that is open of a node; nil: none. The caller holds l.mu. Whoever reads it
// holds that, or the table's lock.
func (t *table) holds(id uint64, l *live, m *memory) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.memory = m
	t.changed.add(id)
}

// moved notes a new place of an object, for those who stand in it.
func (t *table) moved(k key, parent uint64, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.nodes[t.byKey[k]]; n != nil {
		t.place(n, parent, name)
	}
}

// path is where a node is inside its class, or, of a directory between the root and the kinds, below the
// root. false: it has no place that is known.
func (t *table) path(id uint64) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var parts []string
	n := t.nodes[id]
	for n != nil && n.ID != fuse.FUSE_ROOT_ID && (!n.Top || n.Kind == dirKind) {
		parts = append(parts, n.Name)
		n = t.nodes[n.Parent]
	}
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return strings.Join(parts, "/"), n != nil
}

// count is how many nodes the kernel knows.
func (t *table) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.nodes)
}
