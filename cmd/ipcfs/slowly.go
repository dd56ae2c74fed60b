package main

import (
	"strconv"
	"time"
)

// slowness is how many times as long as usual things take. Who builds for an emulated processor sets it, by
// the linker's -X main.slowness=N (tests/kernels/suite).
var slowness = "1"

// slowly is how long to wait for a daemon that would be waited for so long as usual.
func slowly(usual time.Duration) time.Duration {
	n, _ := strconv.Atoi(slowness)
	return time.Duration(max(1, n)) * usual
}
