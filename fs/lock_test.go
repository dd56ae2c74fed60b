package fs

import (
	"os"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
)

// TestLockCommit: locks are not written down by a Commit, for which everybody's answer waits: there is nothing
// for one to do after a lock, or when one is given back.
func TestLockCommit(t *testing.T) {
	fd, err := backends.NewLedger()
	if err != nil {
		t.Skip("no ledger here:", err)
	}
	defer syscall.Close(fd)
	config := Config{StateDir: t.TempDir(), ShmDir: t.TempDir()}
	if config.Ledger, err = backends.OpenLedger(fd); err != nil {
		t.Skip("no ledger here:", err)
	}
	tree, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	by := fuse.Caller{Owner: fuse.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}}
	var dir fuse.EntryOut
	if s := tree.Lookup(nil, &fuse.InHeader{NodeId: fuse.FUSE_ROOT_ID, Caller: by}, "shm", &dir); !s.Ok() {
		t.Fatal(s)
	}
	var out fuse.CreateOut
	in := fuse.CreateIn{
		InHeader: fuse.InHeader{NodeId: dir.NodeId, Unique: 2, Caller: by},
		Flags:    syscall.O_RDWR | syscall.O_CREAT, Mode: syscall.S_IFREG | 0600,
	}
	if s := tree.Create(nil, &in, "x", &out); !s.Ok() {
		t.Fatal(s)
	}
	tree.Commit()
	idle := func(what string) {
		t.Helper()
		if tree.lasting.some.Load() {
			t.Errorf("after %s everybody waits until it is written down", what)
		}
		tree.Commit()
	}
	for owner := range uint64(3) {
		for _, typ := range []uint32{syscall.F_RDLCK, syscall.F_UNLCK, syscall.F_RDLCK} {
			s := tree.SetLk(nil, &fuse.LkIn{
				InHeader: fuse.InHeader{NodeId: out.NodeId, Caller: by}, Fh: out.Fh, Owner: owner,
				Lk: fuse.FileLock{Start: owner, End: owner, Typ: typ},
			})
			if !s.Ok() {
				t.Fatal(s)
			}
			idle("a lock")
		}
	}
	tree.Flush(nil, &fuse.FlushIn{InHeader: fuse.InHeader{NodeId: out.NodeId}, Fh: out.Fh, LockOwner: 1})
	idle("a close")
}
