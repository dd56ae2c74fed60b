package mount

import (
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// watched is an end whose place is asked for when what its file keeps is written down.
type watched struct {
	backends.Endpoint
	asked func()
}

// Place is Placer.Place.
func (w watched) Place() backends.Place { w.asked(); return backends.Place{Next: 1} }

// Resume is Placer.Resume.
func (watched) Resume(backends.Place) {}

// TestRise: killed before what a file keeps is written, a process leaves no answer that counts without it: a
// message would come twice.
func TestRise(t *testing.T) {
	fd, err := backends.NewLedger()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	l, err := backends.OpenLedger(fd)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	d := l.Desk()
	file := nodes.NewFile(&nodes.Plain{}, watched{asked: func() {
		asked++
		if _, _, answer, saves := d.Of(); answer > 0 && !saves {
			t.Error("there is an answer that does not wait for what the file keeps")
		}
	}}, nodes.InOrder, nil)
	file.Lasts(l, 1, backends.Record{})
	o := &openFile{fh: 1, file: file, gate: &gate{s: &Session{ledger: l}}}
	o.rise(o.sit(*d.Room(), 8), 3, nil)
	if _, step, answer, saves := d.Of(); asked == 0 || answer != headerSize+3 || !saves || file.Saved() != step {
		t.Errorf("asked %d times, answer of %d bytes, saves: %v, saved %d", asked, answer, saves, file.Saved())
	}
}
