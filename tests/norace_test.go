//go:build !race

package tests

// raceFlag has the daemon built as the tests are: without the race detector.
const raceFlag = "-race=false"

// raceCgo has it built without C, as it is released.
const raceCgo = "CGO_ENABLED=0"

// raceSlows is how many times as long a test may take without it.
const raceSlows = 1
