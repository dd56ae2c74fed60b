package tests

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkStatus: one program reads a text again and again, as fast as it can, with 3 and
// with 30,000 objects of shared memory. Another one writes a message to a queue and reads
// it: how long that takes is what the texts cost others.
func BenchmarkStatus(b *testing.B) {
	for _, objects := range []int{3, 30_000} {
		for _, text := range []string{"none", "status", "metrics"} {
			b.Run(fmt.Sprint(text, "/", objects), func(b *testing.B) { benchStatus(b, text, objects) })
		}
	}
}

func benchStatus(b *testing.B, text string, objects int) {
	tr := mountTree(b)
	defer func() {
		for i := range objects {
			_ = os.Remove(fmt.Sprint("/dev/shm/o", i))
		}
	}()
	for i := range objects {
		if err := os.WriteFile(fmt.Sprint("/dev/shm/o", i), nil, 0600); err != nil {
			b.Fatal(err)
		}
	}
	queue, err := os.OpenFile(tr.mnt+"/queues/q", os.O_RDWR|os.O_CREATE, 0600)
	check(b, err)
	defer queue.Close()
	var over atomic.Bool
	texts, took := 0, time.Duration(0)
	done := make(chan error, 1)
	go func() {
		err := tr.join()
		begun := time.Now()
		for err == nil && text != "none" && !over.Load() {
			_, err = os.ReadFile(tr.mnt + "/ctl/" + text)
			texts++
		}
		took = time.Since(begun)
		done <- err
	}()
	waits := make([]time.Duration, 0, b.N)
	for b.Loop() {
		waits = append(waits, writeRead(b, queue))
	}
	over.Store(true)
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Nanoseconds())/1e3, "median-µs")
	b.ReportMetric(float64(waits[len(waits)*99/100].Nanoseconds())/1e3, "p99-µs")
	b.ReportMetric(float64(took.Microseconds())/float64(max(texts, 1)), "µs/text")
}

// writeRead is how long a message takes that is written to a queue, which is empty, and read.
func writeRead(b *testing.B, queue *os.File) time.Duration {
	message := make([]byte, 128)
	begun := time.Now()
	_, err1 := queue.Write(message[:64])
	_, err2 := queue.Read(message)
	took := time.Since(begun)
	if err1 != nil || err2 != nil {
		b.Fatal(err1, err2)
	}
	return took
}
