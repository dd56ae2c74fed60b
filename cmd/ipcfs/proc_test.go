package main

import (
	"os"
	"slices"
	"testing"
)

// TestWithoutChildren: a keeper stands for its workers, and for no daemon of somebody else's.
func TestWithoutChildren(t *testing.T) {
	const keeper, worker, next, other, daemon = 10, 11, 12, 20, 30
	parents := map[int]int{keeper: 1, worker: keeper, next: keeper, other: 7, daemon: 1}
	var all, want []served
	for _, pid := range []int{keeper, worker, next, other, daemon} {
		all = append(all, served{pid: pid})
	}
	for _, pid := range []int{keeper, other, daemon} {
		want = append(want, served{pid: pid})
	}
	list := withoutChildren(all, func(pid int) int { return parents[pid] })
	if !slices.Equal(list, want) {
		t.Error(list)
	}
	if got := parentOf(os.Getpid()); got != os.Getppid() {
		t.Errorf("the parent is %d, not %d", got, os.Getppid())
	}
}
