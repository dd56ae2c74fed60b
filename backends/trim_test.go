package backends

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestTrimMemory: what a burst took is given back when it is over.
func TestTrimMemory(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	var trims sync.WaitGroup
	defer trims.Wait()
	defer stop()
	trims.Go(func() { TrimMemory(ctx) })
	var many [][]byte
	for range 1000 {
		many = append(many, make([]byte, 64<<10))
	}
	runtime.KeepAlive(many)
	many = nil
	for end := time.Now().Add(time.Minute); ; <-time.After(10 * time.Millisecond) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if held := m.HeapSys - m.HeapReleased; held < 32<<20 {
			return
		} else if time.Now().After(end) {
			t.Fatalf("%d MiB are held", held>>20)
		}
	}
}
