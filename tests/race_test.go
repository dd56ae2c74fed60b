//go:build race

package tests

// raceFlag has the daemon built as the tests are: with the race detector.
const raceFlag = "-race"
