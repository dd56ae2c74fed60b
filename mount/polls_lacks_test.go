package mount

import (
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

// TestNothingLacks: a file whose object is gone waits for nothing more, whatever its poller asked for.
func TestNothingLacks(t *testing.T) {
	var ps polls
	gone := &polled{want: backends.In | backends.Out | backends.RdHup, seen: backends.Err}
	ps.put(gone, 0)
	if got := ps.lacks & ps.wants; got != 0 {
		t.Errorf("it lacks %#x", got)
	}
	ps = polls{}
	ps.put(&polled{want: backends.In | backends.RdHup, seen: backends.Err | backends.Out}, 0)
	if got := ps.lacks; got != 0 {
		t.Errorf("a socket that has an error lacks %#x", got)
	}
	if ps.saw(backends.Err | backends.Out); ps.any {
		t.Error("all are looked at though it has the error still")
	}
	if ps.saw(backends.Out); !ps.any {
		t.Error("nobody is looked at though it got over the error")
	}
	ps = polls{}
	ps.put(&polled{want: backends.RdHup, seen: backends.Hup | backends.RdHup | backends.In | backends.Out}, 0)
	if got := ps.lacks; got != 0 {
		t.Errorf("a socket that has hung up lacks %#x", got)
	}
	ps = polls{}
	ps.put(&polled{want: backends.In, seen: backends.In | backends.Err}, backends.In|backends.Err)
	if ps.saw(0); ps.any {
		t.Error("all are looked at for an error that a file has by itself, as once past its time")
	}
	ps = polls{}
	there := &polled{want: backends.In | backends.Out, seen: backends.Out}
	ps.put(there, 0)
	if got := ps.lacks & ps.wants; got != backends.In {
		t.Errorf("one that is there lacks %#x", got)
	}
}
