package main

import (
	"testing"
	"time"
)

// What -X sets is how many times as long is waited, never less than as usual.
func TestSlowly(t *testing.T) {
	defer func(usual string) { slowness = usual }(slowness)
	for set, want := range map[string]time.Duration{"1": 2, "10": 20, "0": 2, "": 2, "x": 2} {
		if slowness = set; slowly(2) != want {
			t.Errorf("slowness %q: %d, want %d", set, slowly(2), want)
		}
	}
}
