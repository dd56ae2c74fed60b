package backends

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

const (
	trimAfter = time.Second // since the last collection: what made so much garbage is over
	trimWorth = 4 << 20     // bytes that were taken since memory was given back last, or are garbage now

	// How much garbage there may be, in percent of what is in use (debug.SetGCPercent): while that is little
	// Go's own measure, with which few collections are made; else little: what lies between that which stays
	// is not given back. 10,000 that open and wait cost a tenth more time by that.
	muchInUse  = 8 << 20 // bytes
	fewGarbage = 20
	asGo       = 100
)

// TrimMemory keeps the memory small that is taken when very many open something, and gives it back to the
// kernel when that is over, until ctx is done: Go's runtime alone would keep it for minutes and more, and a
// ledger for good. It sleeps between two collections of garbage.
func TrimMemory(ctx context.Context, l *Ledger) {
	collected := make(chan struct{}, 1)
	paced := os.Getenv("GOGC") != "" // by whoever started the program
	pace := func() {
		if paced {
			return
		}
		percent := asGo
		if sizes("/gc/heap/live:bytes") > muchInUse {
			percent = fewGarbage
		}
		debug.SetGCPercent(percent)
	}
	least := heapSize() // since memory was given back last
	tellCollected(collected)
	for {
		garbage := false // there is much, which nobody collects as nobody takes more
		select {
		case <-ctx.Done():
			return
		case <-collected:
			tellCollected(collected)
		case <-freed.told:
			garbage = true
		}
		for quiet := false; !quiet; {
			pace()
			select {
			case <-ctx.Done():
				return
			case <-collected:
				tellCollected(collected)
			case <-freed.told:
				garbage = true
			case <-time.After(trimAfter):
				quiet = true
			}
		}
		l.Trim()
		if least = min(least, heapSize()); garbage || heapSize() > least+trimWorth {
			runtime.GC() // what lies in a pool is given up when it was not taken from one collection to the next
			debug.FreeOSMemory()
			least = heapSize()
		}
	}
}

// freed is what budgets of memory were given back, since TrimMemory was told of that last.
var freed = struct {
	bytes atomic.Int64
	told  chan struct{}
}{told: make(chan struct{}, 1)}

func addFreed(n int64) {
	if freed.bytes.Add(n) < trimWorth {
		return
	}
	freed.bytes.Store(0)
	select {
	case freed.told <- struct{}{}:
	default: // it is told already
	}
}

// tellCollected has a channel told of the next collection of garbage.
func tellCollected(collected chan struct{}) {
	garbage := &struct{ own *byte }{} // without a pointer it might share its memory with what lives on
	runtime.AddCleanup(garbage, func(c chan struct{}) {
		select {
		case c <- struct{}{}:
		default: // it is told already
		}
	}, collected)
}

// heapSize is how much memory of the kernel's the heap has, in bytes.
func heapSize() uint64 {
	return sizes("/memory/classes/heap/free:bytes", "/memory/classes/heap/objects:bytes",
		"/memory/classes/heap/unused:bytes")
}

// sizes is the sum of some of the runtime's metrics.
func sizes(names ...string) (sum uint64) {
	list := make([]metrics.Sample, len(names))
	for i, name := range names {
		list[i].Name = name
	}
	metrics.Read(list)
	for _, s := range list {
		sum += s.Value.Uint64()
	}
	return sum
}
