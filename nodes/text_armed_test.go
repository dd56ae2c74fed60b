package nodes

import (
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

// TestTextArmed: who waits for the end of a connection, as Go's runtime does with each file, or for the length
// of a text that is being made, is not woken by a text that is there to be read: they would wait again, and so
// round and round.
func TestTextArmed(t *testing.T) {
	e := textEnv(t)
	hold := make(chan bool)
	c := TextControl("status", func() (string, error) { <-hold; return "x", nil })
	f := e.shown(t, c, 1)
	woken := make(chan bool, 8)
	early := func(what string, want backends.Ready) {
		t.Helper()
		f.For().Arm(want, func() { woken <- true })
		behind := make(chan bool)
		e.Poll.Soon(func() { close(behind) }) // behind the call, if there is one
		<-behind
		select {
		case <-woken:
			t.Error(what, "is woken")
		default:
		}
	}
	early("who waits for a hang-up", backends.RdHup)
	text := f.For().(*Text)
	if err := text.Measure(); err != backends.ErrUnsettled {
		t.Fatal(err)
	}
	early("who waits for the length", backends.In|backends.RdHup)
	close(hold)
	<-woken
	if err := text.Measure(); err != nil {
		t.Error(err)
	}
	if _, err := text.read(1); err != nil {
		t.Fatal(err)
	}
	if _, err := text.Probe(); err != backends.ErrUnsettled {
		t.Fatal(err)
	}
	text.Arm(backends.Hup, func() {})
	text.Unprobe()
	text.src.all.mu.Lock()
	defer text.src.all.mu.Unlock()
	if len(text.src.watching) > 0 {
		t.Error("a text is looked at for one who waits for a hang-up")
	}
}
