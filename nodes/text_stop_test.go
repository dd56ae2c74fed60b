package nodes

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// TestTextStopped: whoever polls a text, and has a read or a poll of it interrupted while it is being made,
// is told of its next change, and of nothing before.
func TestTextStopped(t *testing.T) {
	for name, c := range map[string]struct {
		begin func(f *File) error
		stop  func(f *File)
	}{
		"read": {
			func(f *File) error { _, err := f.Read(make([]byte, 4096), 4096, 0); return err },
			func(f *File) { f.end.(backends.Recaller).Recall(backends.In) },
		},
		"poll": {func(f *File) error { _, err := f.Probe(); return err }, (*File).Unprobe},
	} {
		t.Run(name, func(t *testing.T) {
			e := textEnv(t)
			var changed, held atomic.Bool
			hold := make(chan bool)
			text := TextControl("status", func() (string, error) {
				if held.Load() {
					<-hold
				}
				if changed.Load() {
					return "new", nil
				}
				return "old", nil
			})
			f, other := e.shown(t, text, 1), e.shown(t, text, 1)
			if _, err := readText(t, f); err != nil {
				t.Fatal(err)
			}
			held.Store(true)
			if err := c.begin(f); err != backends.ErrUnsettled {
				t.Fatal(err)
			}
			woken := make(chan bool, 1)
			f.Waiter().Arm(backends.In, func() { woken <- true })
			c.stop(f)
			held.Store(false)
			close(hold)
			if _, err := readText(t, other); err != nil { // after what was ordered
				t.Fatal(err)
			}
			select {
			case <-woken:
				t.Error("woken by nothing")
			default:
			}
			changed.Store(true)
			select {
			case <-woken:
			case <-time.After(10 * time.Second):
				t.Error("nobody tells of the change")
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			if err := other.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
