package mount

import (
	"bytes"
	"testing"

	"github.com/ipcfs/ipcfs/nodes"
)

// FuzzSettled: the record of a session is refused, or is one in its only form, whose request can be looked
// at.
func FuzzSettled(f *testing.F) {
	whole := negotiated{request: make([]byte, 64), answer: []byte("answer"), mountpoint: "/mnt", connection: 40}
	f.Add(nodes.Encode(whole.code))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var n negotiated
		if nodes.Decode(b, n.code) != nil {
			return
		}
		if again := nodes.Encode(n.code); !bytes.Equal(again, b) {
			t.Errorf("%x is %x", b, again)
		}
		malformed(n.request)
	})
}
