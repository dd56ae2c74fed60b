package fs

import (
	"os"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

// TestTopicMoved: a topic goes on in another process that was moved just when the earlier one ended.
func TestTopicMoved(t *testing.T) {
	begin := trees(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tree := begin()
	_, err := tree.topics.Create(backends.Named("t"), backends.Owner{Uid: uint32(os.Geteuid()), Mode: 0600})
	check(err)
	one, err := tree.topics.Topic(backends.Ref{Path: "t"})
	check(err)
	_, err = one.TryWrite([]byte("x"), backends.Meta{})
	check(err)
	check(tree.Close())
	dir := tree.config.StateDir + "/topics/"
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
