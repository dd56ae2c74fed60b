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
	list := withoutChildren([]int{keeper, worker, next, other, daemon}, func(pid int) int { return parents[pid] })
	if !slices.Equal(list, []int{keeper, other, daemon}) {
		t.Error(list)
	}
	if got := parentOf(os.Getpid()); got != os.Getppid() {
		t.Errorf("the parent is %d, not %d", got, os.Getppid())
	}
}
