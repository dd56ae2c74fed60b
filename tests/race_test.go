//go:build race

package tests

// raceFlag has the daemon built as the tests are: with the race detector.
const raceFlag = "-race"

// raceCgo has it built with C, which the race detector needs.
const raceCgo = "CGO_ENABLED=1"

// raceSlows is how many times as long a test may take with it.
const raceSlows = 3
