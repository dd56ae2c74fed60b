package fs

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is a file or directory the kernel knows by number. A node is plain data: which class, and where in it.
type node struct {
	id     uint64
	kind   int // index of its class in Tree.kinds; rootKind for the root
	stable key // zero for a message face

	ino uint64 // of a message face

	owned atomic.Uint32 // the owner that the kernel was told of last, by which it judges who may change what

	mu     sync.Mutex // of what is open
	memory *memory    // the one backing file of a shared memory object that is open
	faces  []*Handle  // those who have a message face open
	mode   uint32     // what the kernel was told of a message face last
	owner  fuse.Owner

	// Under table.mu:
	parent  *node // nil for the root
	name    string
	lookups uint64 // how often the kernel was told of it and has not forgotten it
}

// message reports whether n is the node of a message face.
func (n *node) message() bool { return n.kind != rootKind && n.stable == key{} }

// key is the identity of an object that must keep its node id for as long as the kernel knows it.
type key struct {
	kind int
	ino  uint64
}

// table gives the kernel its node ids. Message faces get a fresh one for each lookup: the kernel holds an inode's lock while a write
// waits for its answer, so that a second user of the same node id would hang behind a blocked writer, and then, through the
// directory's lock, everybody (TestFullQueueHarmsNobody). Everything else keeps one id for as long as the kernel remembers it: pipes,
// bound sockets, mappings and locks hang on the kernel's inode.
//
// The kernel asks about a name it knows before it walks over it, and drops what it knows if the answer is another node. So that an
// `echo > queue` again and again does not cost it two lookups each, a message face's node that was open, and is not any more, serves
// for one more lookup: of that one lookup alone, as a fresh one would.
type table struct {
	mu    sync.Mutex
	nodes map[uint64]*node
	byKey map[key]*node
	spare map[spot]*node
	last  uint64
}

// spot is a name in a directory.
type spot struct {
	parent *node
	name   string
}

func newTable() *table {
	root := &node{id: fuse.FUSE_ROOT_ID, kind: rootKind, lookups: 1}
	return &table{nodes: map[uint64]*node{root.id: root}, byKey: map[key]*node{}, spare: map[spot]*node{}, last: root.id}
}

// get finds a node the kernel asks about; nil if it was never told of it.
func (t *table) get(id uint64) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.nodes[id]
}

// fresh makes a node for a message face that nobody else will share, or takes the spare one.
func (t *table) fresh(parent *node, name string, k key) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.spare[spot{parent, name}]; n != nil {
		delete(t.spare, spot{parent, name})
		if n.kind == k.kind && n.ino == k.ino {
			n.lookups++
			return n
		}
	}
	return t.add(&node{kind: k.kind, ino: k.ino, parent: parent, name: name})
}

// idle keeps a message face's node that is not open any more for the next lookup.
func (t *table) idle(n *node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.nodes[n.id] == n {
		t.spare[spot{n.parent, n.name}] = n
	}
}

// busy takes a message face's node that was opened out of the spare ones: it can be opened without a lookup, by /dev/fd of a descriptor
// that is O_PATH or by a bind mount of the file (spare.txtar).
func (t *table) busy(n *node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := (spot{n.parent, n.name}); t.spare[at] == n {
		delete(t.spare, at)
	}
}

// known finds or makes the node of an object, and notes where it was seen last.
func (t *table) known(parent *node, name string, k key) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.byKey[k]
	if n == nil {
		n = t.add(&node{kind: k.kind, stable: k})
		t.byKey[k] = n
	} else {
		n.lookups++
	}
	n.parent, n.name = parent, name
	return n
}

// add gives n its number. The caller holds t.mu.
func (t *table) add(n *node) *node {
	t.last++
	n.id, n.lookups = t.last, 1
	t.nodes[n.id] = n
	return n
}

// forget takes back count of the times the kernel was told of a node.
func (t *table) forget(id, count uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[id]
	if n == nil || id == fuse.FUSE_ROOT_ID {
		return
	}
	if n.lookups > count {
		n.lookups -= count
		return
	}
	delete(t.nodes, id)
	if at := (spot{n.parent, n.name}); t.spare[at] == n {
		delete(t.spare, at)
	}
	if t.byKey[n.stable] == n {
		delete(t.byKey, n.stable)
	}
}

// gone parts an object that was removed from its node: the inode number may serve for another one soon.
func (t *table) gone(k key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byKey, k)
}

// moved notes a new place of an object, for those who stand in it.
func (t *table) moved(k key, parent *node, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.byKey[k]; n != nil {
		n.parent, n.name = parent, name
	}
}

// path is where n is inside its class; child, if not empty, is a name below that.
func (t *table) path(n *node, child string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var parts []string
	if child != "" {
		parts = append(parts, child)
	}
	// The class directory is the child of the root: its own name is not part of the path.
	for ; n.parent != nil && n.parent.parent != nil; n = n.parent {
		parts = append(parts, n.name)
	}
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return strings.Join(parts, "/")
}

// top reports whether n is the root or the directory of a class.
func (t *table) top(n *node) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return n.parent == nil || n.parent.parent == nil
}

// count is how many nodes the kernel knows.
func (t *table) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.nodes)
}
