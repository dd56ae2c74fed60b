package fs

import (
	"os"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
	"github.com/ipcfs/ipcfs/tests/ledgerfd"
)

// trees opens a tree in one process after the other, each of which goes on from the ledger of the one before.
func trees(t *testing.T) (begin func() *Tree) {
	fd := ledgerfd.New(t)
	config := Config{StateDir: t.TempDir(), ShmDir: t.TempDir()}
	return func() *Tree {
		t.Helper()
		var err error
		if config.Ledger, err = backends.OpenLedger(fd); err != nil {
			t.Skip("no ledger here:", err)
		}
		tree, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
}

// TestResentCreate: a CREATE that comes again, as the process that did it ended before its answer, is
// answered with what was made, open. The open that makes a socket calls nobody, the second time either.
func TestResentCreate(t *testing.T) {
	begin := trees(t)
	header := func(node, unique uint64) fuse.InHeader {
		owner := fuse.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}
		return fuse.InHeader{NodeId: node, Unique: unique, Caller: fuse.Caller{Owner: owner}}
	}
	for n, one := range []struct {
		dir   string
		flags uint32
	}{
		{"shm", syscall.O_RDWR | syscall.O_CREAT | syscall.O_EXCL},
		{"sockets", syscall.O_RDWR | syscall.O_CREAT | syscall.O_EXCL}, // a plain file
		{"sockets", syscall.O_WRONLY | syscall.O_CREAT},
		{"sockets", syscall.O_RDWR | syscall.O_CREAT},
	} {
		name, unique := string(rune('a'+n)), uint64(8+2*n)
		tree := begin()
		var dir fuse.EntryOut
		root := header(fuse.FUSE_ROOT_ID, 0)
		if s := tree.Lookup(nil, &root, one.dir, &dir); !s.Ok() {
			t.Fatal(s)
		}
		tree.Commit()
		create := func(unique uint64) (out fuse.CreateOut) {
			t.Helper()
			in := fuse.CreateIn{InHeader: header(dir.NodeId, unique), Flags: one.flags, Mode: syscall.S_IFREG | 0600}
			if s := tree.Create(nil, &in, name, &out); !s.Ok() {
				t.Fatalf("%s/%s: %v", one.dir, name, s)
			}
			return out
		}
		first := create(unique)
		if err := tree.Close(); err != nil { // and nobody is told
			t.Fatal(err)
		}
		tree = begin()
		again := create(unique | resent)
		if again.Ino != first.Ino {
			t.Errorf("%s/%s: inode %d was made, and the answer is %d", one.dir, name, first.Ino, again.Ino)
		}
		if one.dir == "sockets" && one.flags&syscall.O_EXCL == 0 {
			called := func() error {
				in := fuse.OpenIn{InHeader: header(again.NodeId, 0), Flags: syscall.O_RDONLY | syscall.O_NONBLOCK}
				return tree.Begin(&in).Try(new(fuse.OpenOut))
			}
			if err := called(); err != backends.ErrWouldBlock {
				t.Errorf("%s/%s: who accepts gets %v", one.dir, name, err)
			}
			f, ok := tree.handles.get(again.Fh).open.(*nodes.File)
			if !ok {
				t.Fatalf("%s/%s: it is being called", one.dir, name)
			}
			if _, err := f.Write([]byte("x")); err != nil {
				t.Errorf("%s/%s: the first write: %v", one.dir, name, err)
			}
			if err := called(); err != nil {
				t.Errorf("%s/%s: who accepts after the first write gets %v", one.dir, name, err)
			}
		}
		tree.Release(nil, &fuse.ReleaseIn{Fh: again.Fh})
		if err := tree.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestResentOpen: an open that an earlier process was asked for, and that may have waited, goes on whatever the mode
// of its object is by now. One that waits for nobody is for the kernel to judge anew.
func TestResentOpen(t *testing.T) {
	begin := trees(t)
	unique := uint64(6)
	header := func(node uint64) fuse.InHeader {
		owner := fuse.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}
		unique += 2
		return fuse.InHeader{NodeId: node, Unique: unique, Caller: fuse.Caller{Owner: owner}}
	}
	for class, want := range map[string]error{"shm": syscall.ESTALE, "sockets": backends.ErrWouldBlock} {
		tree := begin()
		var dir, one fuse.EntryOut
		root := header(fuse.FUSE_ROOT_ID)
		if s := tree.Lookup(nil, &root, class, &dir); !s.Ok() {
			t.Fatal(s)
		}
		make := fuse.MknodIn{InHeader: header(dir.NodeId), Mode: syscall.S_IFREG | 0600}
		if s := tree.Mknod(nil, &make, "a", &one); !s.Ok() {
			t.Fatal(s)
		}
		tree.Commit()
		n, _ := tree.table.get(one.NodeId)
		object, err := tree.object(n)
		if err != nil {
			t.Fatal(err)
		}
		mode := uint32(0400)
		if err := object.Change(nodes.Change{Mode: &mode}); err != nil && class != "sockets" {
			t.Fatal(err) // of a socket, nothing is mounted where it listens
		}
		if err := tree.Close(); err != nil {
			t.Fatal(err)
		}
		tree = begin()
		in := fuse.OpenIn{InHeader: header(one.NodeId), Flags: syscall.O_RDONLY | 0x8000} // O_LARGEFILE
		in.Unique |= resent
		if err := tree.Begin(&in).Try(new(fuse.OpenOut)); err != want {
			t.Errorf("%s: %v, want %v", class, err, want)
		}
		if err := tree.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
