package fs

import (
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/nodes"
)

// TestOpenTruncates: the SETATTR with which the kernel truncates what a shell's `>` has opened asks nothing
// of the object. That was half of all the system calls of an `echo > queue`.
func TestOpenTruncates(t *testing.T) {
	tree, err := New(Config{StateDir: t.TempDir()})
	if err != nil {
		t.Skip("no tree here:", err)
	}
	defer tree.Close()
	header := func(node uint64) fuse.InHeader {
		owner := fuse.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}
		return fuse.InHeader{NodeId: node, Caller: fuse.Caller{Owner: owner}}
	}
	must := func(s fuse.Status) {
		t.Helper()
		if !s.Ok() {
			t.Fatal(s)
		}
	}
	asked := 0
	topics := &tree.kinds[slices.IndexFunc(tree.kinds, func(k nodes.Kind) bool { return k.Name == "topics" })]
	topics.Class = askedClass{topics.Class, &asked}

	root := header(fuse.FUSE_ROOT_ID)
	var dir, made, seen fuse.EntryOut
	must(tree.Lookup(nil, &root, "topics", &dir))
	h := header(dir.NodeId)
	must(tree.Mknod(nil, &fuse.MknodIn{InHeader: h, Mode: syscall.S_IFREG | 0640}, "t", &made))
	must(tree.Lookup(nil, &h, "t", &seen))
	var open fuse.OpenOut
	in := fuse.OpenIn{InHeader: header(seen.NodeId), Flags: syscall.O_WRONLY | syscall.O_TRUNC}
	if err := tree.Begin(&in).Try(&open); err != nil {
		t.Fatal(err)
	}
	if asked == 0 {
		t.Fatal("nobody has asked to open it")
	}
	asked = 0
	var out fuse.AttrOut
	set := fuse.SetAttrInCommon{InHeader: header(seen.NodeId), Valid: fuse.FATTR_SIZE}
	must(tree.SetAttr(nil, &fuse.SetAttrIn{SetAttrInCommon: set}, &out))
	if asked != 0 {
		t.Errorf("the object was asked %d times", asked)
	}
	if out.Mode != seen.Mode || out.Ino != seen.Ino || out.Size != seen.Size || out.Owner != seen.Owner {
		t.Errorf("the kernel is told %+v, and was before %+v", out.Attr, seen.Attr)
	}
	tree.Release(nil, &fuse.ReleaseIn{Fh: open.Fh})
}

// askedClass counts what is asked of objects that are not the directory.
type askedClass struct {
	nodes.Class
	asked *int
}

func (c askedClass) At(s nodes.Seen) nodes.Object {
	o := c.Class.At(s)
	if _, ok := o.(nodes.Directory); ok && s.Path == "" {
		return o
	}
	return askedObject{o, c.asked}
}

type askedObject struct {
	nodes.Object
	asked *int
}

func (o askedObject) Stat(sized bool) (nodes.Attr, error) {
	*o.asked++
	return o.Object.Stat(sized)
}

func (o askedObject) Open(flags int, by nodes.Caller) (nodes.Open, error) {
	*o.asked++
	return o.Object.Open(flags, by)
}

func (o askedObject) Change(c nodes.Change) error {
	*o.asked++
	return o.Object.Change(c)
}
