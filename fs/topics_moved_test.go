package fs

import (
	"os"
	"syscall"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

// TestTopicMoved: a topic goes on in another process that was moved just when the earlier one ended.
func TestTopicMoved(t *testing.T) {
	fd, err := backends.NewLedger()
	if err != nil {
		t.Skip("no ledger here:", err)
	}
	defer syscall.Close(fd)
	config := Config{StateDir: t.TempDir(), ShmDir: t.TempDir()}
	begin := func() *Tree {
		t.Helper()
		if config.Ledger, err = backends.OpenLedger(fd); err != nil {
			t.Skip("no ledger here:", err)
		}
		tree, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tree := begin()
	_, err = tree.topics.Create(backends.Named("t"), backends.Owner{Uid: uint32(os.Geteuid()), Mode: 0600})
	check(err)
	one, err := tree.topics.Topic(backends.Ref{Path: "t"})
	check(err)
	_, err = one.TryWrite([]byte("x"), backends.Meta{})
	check(err)
	check(tree.Close())
	dir := config.StateDir + "/topics/"
	check(os.Mkdir(dir+"d", 0700))
	check(os.Rename(dir+"t", dir+"d/t"))
	tree = begin()
	one, err = tree.topics.Topic(backends.Ref{Path: "d/t"})
	check(err)
	if s := one.State(); s.Last != 1 || s.Value != 1 {
		t.Errorf("it has become %+v", s)
	}
	check(tree.Close())
}
