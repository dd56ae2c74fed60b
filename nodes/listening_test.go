package nodes

import "testing"

// FuzzListening holds that what is kept of how a socket listens is read back, and that nothing in its file
// asks for what cannot be.
func FuzzListening(f *testing.F) {
	for _, s := range []string{"", "\n", "listen type=seqpacket backlog=16\n", "listen type=dgram",
		"listen backlog=-1", "listen backlog=99999999999999999999",
		"listen type=stream type=stream", "x # y\n", "listen type='stream'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		how, err := readListening(text)
		if err != nil {
			return
		}
		if typeName(how.typ) != "stream" && typeName(how.typ) != "seqpacket" || how.backlog < 0 {
			t.Fatalf("%q: %+v", text, how)
		}
		again, err := readListening(how.command().String() + "\n")
		if err != nil || again != how {
			t.Fatalf("%q: %+v became %+v, %v", text, how, again, err)
		}
	})
}
