package nats

import (
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

// TestNoID: an id that is none is not that of a queue.
func TestNoID(t *testing.T) {
	var info streamInfo
	info.Config.Name = "s"
	info.Config.Metadata = map[string]string{metaID: "00000000000000000000000000000000"}
	if id := idOf(&info); id == (backends.ID{}) {
		t.Error("it is that of any queue")
	}
}
