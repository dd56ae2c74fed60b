// Package ledgerfd makes ledgers for tests of what goes on in other processes.
package ledgerfd

import (
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// New is the descriptor of a ledger, by which each process of several opens it, until the test ends.
func New(t testing.TB) int {
	t.Helper()
	fd, err := backends.NewLedger()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}
