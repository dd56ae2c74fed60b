package fs

import (
	"os"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// fileMemory is shared memory that is a file.
type fileMemory struct {
	nodes.Memory
	f *os.File
}

func (m fileMemory) Fd() int      { return int(m.f.Fd()) }
func (m fileMemory) Close() error { return m.f.Close() }

// closes is a safe that notes when it is to close the last one.
type closes struct {
	leftSafe
	when *backends.Closing
}

func (c closes) Drop(_ uint64, when backends.Closing) { *c.when = when }

// TestProgramNotBusy: a program can be started as soon as whoever wrote it has closed it, though its descriptor is
// kept, too (ETXTBSY).
func TestProgramNotBusy(t *testing.T) {
	for mode, want := range map[os.FileMode]backends.Closing{0644: backends.CloseLater, 0755: backends.CloseSoon} {
		f, err := os.Create(t.TempDir() + "/p")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Chmod(mode); err != nil {
			t.Fatal(err)
		}
		when := backends.Closing(-1)
		m := &memory{Memory: fileMemory{f: f}, holders: 1, safe: closes{when: &when}}
		if _, err := m.leave(); err != nil || when != want {
			t.Errorf("of mode %o it is closed with %d, %v", mode, when, err)
		}
	}
}
