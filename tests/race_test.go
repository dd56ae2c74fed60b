//go:build race

package tests

// raceFlag has the daemon built as the tests are: with the race detector.
const raceFlag = "-race"

// raceSlows is how many times as long a test may take with it.
const raceSlows = 3
