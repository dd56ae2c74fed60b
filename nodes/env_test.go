package nodes

import (
	"context"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// However many calls of some users hang, one of another user is made.
func TestHungCalls(t *testing.T) {
	poll, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer poll.Close()
	env := NewEnv(poll)
	for name, workers := range map[string]*backends.Workers{"away": env.Away, "late": env.Late} {
		end := make(chan bool)
		for uid := range uint32(maxAway / maxLateUid) {
			for range maxAwayUid {
				workers.Go(uid, func(context.Context) { <-end })
			}
		}
		made := make(chan bool)
		workers.Go(1000, func(context.Context) { close(made) })
		select {
		case <-made:
		case <-time.After(10 * time.Second):
			t.Error(name, "waits for others")
		}
		close(end)
		if err := workers.Close(); err != nil {
			t.Error(err)
		}
	}
}
