package fs

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// of is the identity of object n.
func of(n int) backends.ID { return backends.ID{Ino: uint64(n)} }

// TestPlaces: wherever objects are seen, in whatever order others rename them, a
// path is short, and a node is never above itself.
func TestPlaces(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	table := newTable()
	top := table.known(Node{Parent: fuse.FUSE_ROOT_ID, Name: "shm", Top: true, Object: of(1)})
	ids := []uint64{top}
	for range 5000 {
		n := 2 + random.IntN(20)
		parent, name := ids[random.IntN(len(ids))], fmt.Sprint("n", random.IntN(5))
		if random.IntN(2) == 0 {
			table.moved(key{object: of(n)}, parent, name)
		} else {
			ids = append(ids, table.known(Node{Parent: parent, Name: name, Object: of(n)}))
		}
		id := ids[random.IntN(len(ids))]
		if path, _ := table.path(id); strings.Count(path, "/") > 20 {
			t.Fatalf("node %d is at %q", id, path)
		}
	}
	if got := table.count(); got > 23 {
		t.Errorf("%d nodes of 20 objects, their directory and the root", got)
	}
}

// TestPath: a path leads from the directory of the class to the object, by the names it was seen at last.
func TestPath(t *testing.T) {
	table := newTable()
	top := table.known(Node{Parent: fuse.FUSE_ROOT_ID, Name: "shm", Top: true, Object: of(1)})
	dir := table.known(Node{Parent: top, Name: "d", Object: of(2)})
	file := table.known(Node{Parent: dir, Name: "f", Object: of(3)})
	expect := func(id uint64, want string, placed bool) {
		t.Helper()
		if got, ok := table.path(id); got != want || ok != placed {
			t.Errorf("node %d: %q %v, want %q %v", id, got, ok, want, placed)
		}
	}
	expect(top, "", true)
	expect(file, "d/f", true)
	table.moved(key{object: of(2)}, top, "e")
	expect(file, "e/f", true)
	// A directory is seen below one that lay in it: where that one is now nobody has said yet.
	inner := table.known(Node{Parent: dir, Name: "inner", Object: of(4)})
	table.moved(key{object: of(2)}, inner, "d")
	if _, ok := table.path(file); ok {
		t.Error("a directory in itself has a place")
	}
	table.moved(key{object: of(4)}, top, "out")
	expect(file, "out/d/f", true)
}

// TestForget: a node is there until the kernel has forgotten it as often as it was told of it, and no longer.
func TestForget(t *testing.T) {
	table := newTable()
	top := table.known(Node{Parent: fuse.FUSE_ROOT_ID, Name: "shm", Top: true, Object: of(1)})
	id := table.known(Node{Parent: top, Name: "a", Object: of(2)})
	if again := table.known(Node{Parent: top, Name: "b", Object: of(2)}); again != id {
		t.Errorf("one object has the nodes %d and %d", id, again)
	}
	table.forget(id, 1)
	if n, ok := table.get(id); !ok || n.Name != "b" {
		t.Errorf("%+v %v", n, ok)
	}
	table.gone(key{object: of(2)})
	if other := table.known(Node{Parent: top, Name: "a", Object: of(2)}); other == id {
		t.Error("the node of a removed object serves for the next one")
	}
	table.forget(id, 1)
	if _, ok := table.get(id); ok {
		t.Error("it is not forgotten")
	}
	table.forget(fuse.FUSE_ROOT_ID, 99)
	if _, ok := table.get(fuse.FUSE_ROOT_ID); !ok {
		t.Error("the root is forgotten")
	}
}

// TestNames: FUSE lets longer names through than there are.
func TestNames(t *testing.T) {
	tree := &Tree{table: newTable()}
	root := &fuse.InHeader{NodeId: fuse.FUSE_ROOT_ID}
	for length, want := range map[int]syscall.Errno{
		255: syscall.ENOENT, 256: syscall.ENAMETOOLONG, 1024: syscall.ENAMETOOLONG,
	} {
		if got := tree.Lookup(nil, root, strings.Repeat("n", length), &fuse.EntryOut{}); got != fuse.Status(want) {
			t.Errorf("%d bytes: %v, want %v", length, got, want)
		}
	}
	unknown := &fuse.InHeader{NodeId: 99}
	if got := tree.Lookup(nil, unknown, "x", &fuse.EntryOut{}); got != fuse.Status(syscall.ESTALE) {
		t.Errorf("in a directory that is none: %v", got)
	}
	for _, c := range []struct{ dir, name, want string }{{"", "a", "a"}, {"a", "b", "a/b"}} {
		if got := join(c.dir, c.name); got != c.want {
			t.Errorf("%q and %q: %q", c.dir, c.name, got)
		}
	}
	if got := fmt.Sprint(dirsAbove([]nodes.Kind{
		{Name: "shm"}, {Name: "sysv/queues"}, {Name: "sysv/shm"}, {Name: "a/b/c"},
	})); got != "[ sysv a a/b]" {
		t.Errorf("directories: %s", got)
	}
}

// TestAttr: sizes and times as the kernel takes them; the same inode number in two classes is two.
func TestAttr(t *testing.T) {
	tree := &Tree{}
	at := time.Unix(1<<33, 999999999)
	a := nodes.Attr{
		ID: of(7), Mode: syscall.S_IFREG | 0640, Uid: 1000, Gid: 1001, Size: 1<<40 + 1,
		Blocks: 9, Mtime: at,
	}
	var one, other fuse.Attr
	tree.fillAttr(&one, Node{Kind: 0}, a)
	tree.fillAttr(&other, Node{Kind: 1}, a)
	if one.Ino == other.Ino || one.Size != 1<<40+1 || one.Blocks != 9 ||
		one.Owner != (fuse.Owner{Uid: 1000, Gid: 1001}) {
		t.Errorf("%+v, %+v", one, other)
	}
	if one.Mtime != 1<<33 || one.Mtimensec != 999999999 || one.Atime != 0 {
		t.Errorf("times: %+v", one)
	}
	var in fuse.SetAttrIn
	if c := changeOf(&in); c != (nodes.Change{}) {
		t.Errorf("%+v of nothing", c)
	}
	in.Valid, in.Size = fuse.FATTR_SIZE, 1<<40
	if c := changeOf(&in); c.Size == nil || *c.Size != 1<<40 || c.Mode != nil {
		t.Errorf("%+v", c)
	}
}

// TestHandles: one user's many open files leave others theirs.
func TestHandles(t *testing.T) {
	all := newHandles()
	var last *opened
	for range maxHandles {
		last = &opened{Handle: Handle{Uid: 1000}}
		if all.add(last) != nil {
			t.Fatal("refused too early")
		}
	}
	if all.add(&opened{Handle: Handle{Uid: 1000}}) == nil {
		t.Error("one more than there may be")
	}
	if all.add(&opened{Handle: Handle{Uid: 1001}}) != nil {
		t.Error("another user is refused")
	}
	if all.remove(last.Num) != last || all.remove(last.Num) != nil ||
		all.add(&opened{Handle: Handle{Uid: 1000}}) != nil {
		t.Error("what was closed still counts")
	}
}

// TestSameThread: a thread is told again of the node of a message face that it was told of, until
// somebody opens it. Others never are, but once after it was closed.
func TestSameThread(t *testing.T) {
	table := newTable()
	n := Node{Parent: fuse.FUSE_ROOT_ID, Name: "q", Object: of(1), Message: true}
	mine := table.fresh(n, 1)
	if again := table.fresh(n, 1); again != mine {
		t.Errorf("the same thread was told of %d and then of %d", mine, again)
	}
	other := table.fresh(n, 2)
	nobody, again := table.fresh(n, 0), table.fresh(n, 0)
	if other == mine || nobody == other || nobody == again {
		t.Error("two threads share a node")
	}
	mine = table.fresh(n, 1)
	table.busy(mine)
	if table.fresh(n, 1) == mine {
		t.Error("a node that is open was told of again")
	}
	table.idle(mine)
	if table.fresh(n, 2) != mine {
		t.Error("a node that was closed does not serve for one more lookup")
	}
	if table.fresh(n, 3) == mine {
		t.Error("it serves for two")
	}
	mine = table.fresh(n, 1)
	n.Object = of(2)
	if table.fresh(n, 1) == mine {
		t.Error("another object of that name has its node")
	}
}
