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
	trims.Go(func() { TrimMemory(ctx, nil) })
	for size := 64; ; size *= 2 { // what was taken before it looked for the first time it does not give back
		var many [][]byte
		for range size {
			many = append(many, make([]byte, 1<<20))
		}
		runtime.KeepAlive(many)
		many = nil
		if small(10 * time.Second) {
			return
		}
		if size == 256 {
			t.Fatal("what was taken is held")
		}
	}
}

// TestTrimGivenBack: what a budget of memory was given back goes back to the kernel, though nobody takes
// more.
func TestTrimGivenBack(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	var trims sync.WaitGroup
	defer trims.Wait()
	defer stop()
	trims.Go(func() { TrimMemory(ctx, nil) })
	b := NewBudget(Terms{Name: "memory", Heap: true}, func(int64) Bounds { return EachMay(1 << 30) })
	var m runtime.MemStats
	until := func(ok func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !ok(); <-time.After(100 * time.Millisecond) {
			if runtime.ReadMemStats(&m); time.Now().After(end) {
				t.Fatalf("%d MiB are held", (m.HeapSys-m.HeapReleased)>>20)
			}
		}
	}
	runtime.ReadMemStats(&m)
	before := m.NumForcedGC
	many := make([][]byte, 1000)
	for i := range many {
		many[i] = make([]byte, 64<<10)
		b.Add(1, 64<<10)
	}
	until(func() bool { return m.NumForcedGC > before }) // it knows now how much there is
	runtime.KeepAlive(many)
	many = nil
	b.Give(1, 1000*64<<10)
	until(func() bool { return m.HeapSys-m.HeapReleased < 32<<20 })
}

// small waits until the memory is small, for limit at most, and reports whether it is.
func small(limit time.Duration) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); <-time.After(10 * time.Millisecond) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapSys-m.HeapReleased < 32<<20 {
			return true
		}
	}
	return false
}
