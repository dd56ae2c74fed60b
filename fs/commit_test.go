package fs

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

// TestCommitWaits: a Commit returns when what has changed is written, also if another one is writing it.
func TestCommitWaits(t *testing.T) {
	fd, err := backends.NewLedger()
	if err != nil {
		t.Skip("no ledger here:", err)
	}
	defer syscall.Close(fd)
	l, err := backends.OpenLedger(fd)
	if err != nil {
		t.Skip("no ledger here:", err)
	}
	tree, err := New(Config{StateDir: t.TempDir(), Ledger: l})
	if err != nil {
		t.Skip("no tree here:", err)
	}
	defer tree.Close()
	h := &opened{}
	if err := tree.handles.add(h); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock() // for which the first one waits
	first, second := make(chan struct{}), make(chan bool)
	go func() {
		defer close(first)
		tree.Commit()
	}()
	for tree.lasting.some.Load() {
		runtime.Gosched()
	}
	var free atomic.Bool
	go func() {
		tree.Commit()
		second <- free.Load()
	}()
	for range 10_000 {
		runtime.Gosched() // it has had its chance
	}
	free.Store(true)
	h.mu.Unlock()
	if !<-second {
		t.Error("the second one returned before the first one had written what it took")
	}
	<-first
}
